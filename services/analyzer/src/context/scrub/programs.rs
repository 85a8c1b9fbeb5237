//! Programs that take a password on their command line, and programs that start others.
//!
//! A table and no logic: `options` reads it. What is not here is found by its key or its shape, or not at all;
//! docs/event-json.md says the same for users.

/// One entry: what its names share.
#[derive(Debug)]
pub(super) struct Program {
    /// Base names. A final `*` stands for anything.
    pub(super) names: &'static [&'static str],
    /// The options that hold a secret.
    pub(super) secrets: &'static [Secret],
    /// One-letter options without a value, which can stand before a secret one in the same argument.
    pub(super) flags: &'static str,
    /// What its other arguments can be.
    pub(super) then: Then,
    /// Its command `login` takes a password after `-p`.
    pub(super) has_login: bool,
}

/// An option and what of its value is secret.
#[derive(Debug)]
pub(super) struct Secret {
    /// With its dashes.
    pub(super) option: &'static str,
    pub(super) part: Part,
}

/// What of a value is secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All, also when it looks like an option.
    All,
    /// All, but what looks like an option is one: the program asks for the password then.
    Optional,
    /// All, unless it is a number: a port stands there, and people take it for the password.
    UnlessNumber,
    /// What follows the first of these characters; nothing without one.
    After(&'static [u8]),
}

/// What arguments can be besides options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Nothing that starts a program.
    Nothing,
    /// After so many words a program and its arguments.
    Command { skip: u8 },
    /// Any word that does not follow an option may be a program.
    Anywhere,
}

impl Program {
    const fn taking(names: &'static [&'static str], secrets: &'static [Secret]) -> Self {
        Self { names, secrets, flags: "", then: Then::Nothing, has_login: false }
    }

    const fn starting(names: &'static [&'static str], then: Then) -> Self {
        Self { names, secrets: &[], flags: "", then, has_login: false }
    }

    /// The entry of a program with this path.
    pub(super) fn named(path: &[u8]) -> Option<&'static Self> {
        let name = path.rsplit(|byte| *byte == b'/').next()?;
        // Longer than the longest name that is not a pattern by far: nothing is compared in vain.
        let name = name.get(..name.len().min(64))?;
        PROGRAMS.iter().find(|program| {
            program.names.iter().any(|known| match known.strip_suffix('*') {
                Some(start) => name.starts_with(start.as_bytes()) && !name.contains(&b'='),
                None => name == known.as_bytes(),
            })
        })
    }
}

const fn secret(option: &'static str, part: Part) -> Secret {
    Secret { option, part }
}

/// A program that is not in the table.
pub(super) static OTHER: Program = Program::starting(&[], Then::Nothing);

/// An argument with white space: a script, or a command line for another program.
pub(super) static TEXT: Program = Program::starting(&[], Then::Anywhere);

/// The command `login` of a program that has one.
pub(super) static LOGIN: Program = Program::taking(&[], &[secret("-p", Part::All)]);

/// The names whose absence from a command line proves that no entry with a secret applies.
pub(super) fn telling_names() -> impl Iterator<Item = &'static str> {
    let has_secret = |program: &&Program| !program.secrets.is_empty() || program.has_login;
    PROGRAMS
        .iter()
        .filter(has_secret)
        .flat_map(|program| program.names)
        .map(|name| name.trim_end_matches('*'))
}

static PROGRAMS: [Program; 27] = [
    // A server has no password; its -P and -p are other things.
    Program::taking(&["mysqld", "mysqld_safe", "mariadbd", "mariadbd-safe"], &[]),
    Program {
        names: &["mysql*", "mariadb*"],
        secrets: &[secret("-p", Part::Optional)],
        flags: "ABCEGHLNWfnqrstvw",
        then: Then::Nothing,
        has_login: false,
    },
    Program::taking(
        &[
            "psql",
            "pg_dump",
            "pg_dumpall",
            "pg_restore",
            "pg_basebackup",
            "pgbench",
            "createdb",
            "dropdb",
            "vacuumdb",
        ],
        &[secret("-p", Part::UnlessNumber)],
    ),
    Program {
        names: &["sshpass"],
        secrets: &[secret("-p", Part::All)],
        flags: "ev",
        then: Then::Command { skip: 0 },
        has_login: false,
    },
    Program {
        names: &["curl"],
        secrets: &[
            secret("-u", Part::After(b":")),
            secret("-U", Part::After(b":")),
            secret("-E", Part::After(b":")),
            secret("--user", Part::After(b":")),
            secret("--proxy-user", Part::After(b":")),
            secret("--cert", Part::After(b":")),
            secret("--proxy-cert", Part::After(b":")),
            secret("--pass", Part::All),
            secret("--proxy-pass", Part::All),
            secret("--tlsuser", Part::After(b":")),
            secret("--oauth2-bearer", Part::All),
        ],
        flags: "0123456BGIJLMNOZafgijklnpqsSv#",
        then: Then::Nothing,
        has_login: false,
    },
    Program::taking(
        &["http", "https", "xh"],
        &[secret("-a", Part::After(b":")), secret("--auth", Part::After(b":"))],
    ),
    Program::taking(&["etcdctl"], &[secret("--user", Part::After(b":"))]),
    Program::taking(&["lftp"], &[secret("-u", Part::After(b",")), secret("--user", Part::After(b","))]),
    Program::taking(&["redis-cli", "valkey-cli"], &[secret("-a", Part::All), secret("--pass", Part::All)]),
    Program::taking(
        &[
            "mongo",
            "mongosh",
            "mongodump",
            "mongorestore",
            "mongoexport",
            "mongoimport",
            "mongostat",
            "mongotop",
        ],
        &[secret("-p", Part::Optional)],
    ),
    Program::taking(
        &["cqlsh", "rabbitmqadmin", "rdesktop", "ncftp", "ncftpget", "ncftpput"],
        &[secret("-p", Part::All)],
    ),
    Program {
        names: &[
            "ldapsearch",
            "ldapadd",
            "ldapmodify",
            "ldapdelete",
            "ldapmodrdn",
            "ldapcompare",
            "ldapwhoami",
        ],
        secrets: &[secret("-w", Part::All)],
        flags: "ZxcnvWILMPuAtT",
        then: Then::Nothing,
        has_login: false,
    },
    Program {
        names: &["ldappasswd"],
        secrets: &[secret("-w", Part::All), secret("-a", Part::All), secret("-s", Part::All)],
        flags: "ZxnvWASI",
        then: Then::Nothing,
        has_login: false,
    },
    Program::taking(
        &["smbclient", "rpcclient", "smbget", "smbcacls", "net", "wmic", "winexe"],
        &[secret("-U", Part::After(b"%")), secret("--user", Part::After(b"%"))],
    ),
    Program::taking(&["sqlcmd", "bcp", "isql", "tsql", "fisql", "bsqldb"], &[secret("-P", Part::All)]),
    Program::taking(
        &["mosquitto_pub", "mosquitto_sub", "mosquitto_rr", "ipmitool"],
        &[secret("-P", Part::All)],
    ),
    Program::taking(
        &["snmpwalk", "snmpget", "snmpset", "snmpbulkwalk", "snmpgetnext", "snmptrap"],
        &[secret("-A", Part::All), secret("-X", Part::All), secret("-c", Part::All)],
    ),
    Program::taking(&["ssh-keygen"], &[secret("-N", Part::All), secret("-P", Part::All)]),
    Program::taking(
        &["openssl"],
        &[
            secret("-passin", Part::All),
            secret("-passout", Part::All),
            secret("-pass", Part::All),
            secret("-k", Part::All),
            secret("-K", Part::All),
        ],
    ),
    Program { flags: "rqjoy9", ..Program::taking(&["zip", "unzip", "zipcloak"], &[secret("-P", Part::All)]) },
    Program::taking(&["7z", "7za", "7zr", "7zz"], &[secret("-p", Part::Optional)]),
    Program::taking(&["rar", "unrar"], &[secret("-p", Part::Optional), secret("-hp", Part::Optional)]),
    // Programs that start others.
    Program {
        has_login: true,
        ..Program::starting(
            &[
                "docker", "podman", "nerdctl", "kubectl", "oc", "crictl", "buildah", "skopeo", "helm", "az",
                "cf", "crane",
            ],
            Then::Anywhere,
        )
    },
    Program::starting(&["timeout", "gtimeout", "chroot", "flock"], Then::Command { skip: 1 }),
    Program::starting(&["ssh", "dbclient"], Then::Command { skip: 1 }),
    Program::starting(&["find", "parallel", "entr", "script"], Then::Anywhere),
    Program::starting(
        &[
            "env",
            "sudo",
            "doas",
            "su",
            "runuser",
            "nohup",
            "nice",
            "ionice",
            "chrt",
            "time",
            "xargs",
            "setsid",
            "setpriv",
            "stdbuf",
            "strace",
            "ltrace",
            "unshare",
            "nsenter",
            "busybox",
            "toybox",
            "watch",
            "sh",
            "bash",
            "dash",
            "ash",
            "zsh",
            "ksh",
            "tini",
            "dumb-init",
            "gosu",
            "su-exec",
            "catatonit",
        ],
        Then::Command { skip: 0 },
    ),
];
