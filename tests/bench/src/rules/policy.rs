//! Rules in the shape of a public policy, about files that the events of the bench do not open.

/// The same rule in two languages.
#[derive(Debug)]
pub(super) struct RuleText {
    pub(super) secl: String,
    pub(super) cel: String,
}

/// So many rules: ten shapes in turn, each with names of its own.
pub(super) fn rules(count: usize) -> Vec<RuleText> {
    (0..count).map(rule).collect()
}

const WRITES: &str = "open.flags & (O_CREAT|O_TRUNC|O_APPEND|O_RDWR|O_WRONLY) > 0";

fn rule(n: usize) -> RuleText {
    let (secl, cel) = match n % 10 {
        0 => (
            format!(
                "open.file.path in [ \"/etc/svc{n}/passwd\", \"/etc/svc{n}/shadow\" ] && {WRITES} \
                 && process.file.path not in [ \"/usr/sbin/useradd\", \"/usr/sbin/vipw\" ]"
            ),
            format!(
                "path in [\"/etc/svc{n}/passwd\", \"/etc/svc{n}/shadow\"] && writes \
                 && !(program in [\"/usr/sbin/useradd\", \"/usr/sbin/vipw\"])"
            ),
        ),
        1 => (
            format!("open.file.path =~ \"/etc/cron{n}.d/*\" && {WRITES} && container.created_at > 90s"),
            format!("path.startsWith(\"/etc/cron{n}.d/\") && writes && age > 90"),
        ),
        2 => (
            format!("open.file.name == \"id_rsa{n}\" && process.file.name not in [ \"ssh\", \"sshd\" ]"),
            format!("name == \"id_rsa{n}\" && !(program_name in [\"ssh\", \"sshd\"])"),
        ),
        3 => (
            format!(
                "(open.file.path =~ \"/usr/lib/mod{n}/**\" || open.file.path =~ \"/lib/mod{n}/**\") \
                 && open.flags & O_CREAT > 0 && process.ancestors.file.path not in [ \"/usr/bin/apt\", \"/usr/bin/dpkg\" ]"
            ),
            format!(
                "(path.startsWith(\"/usr/lib/mod{n}/\") || path.startsWith(\"/lib/mod{n}/\")) && writes \
                 && !(parent in [\"/usr/bin/apt\", \"/usr/bin/dpkg\"])"
            ),
        ),
        4 => (
            format!("open.file.path == \"/proc/{n}/mem\" && process.uid != 0"),
            format!("path == \"/proc/{n}/mem\" && uid != 0"),
        ),
        5 => (
            format!("open.file.path =~ \"/home/*/.config{n}\" && process.comm == \"tool{n}\""),
            format!("path.startsWith(\"/home/\") && path.endsWith(\"/.config{n}\") && comm == \"tool{n}\""),
        ),
        6 => (
            format!("open.file.name in [ \"cred{n}\", \"token{n}\" ] && container.id != \"\""),
            format!("name in [\"cred{n}\", \"token{n}\"] && container != \"\""),
        ),
        7 => (
            format!("open.file.path =~ \"*/secrets{n}/*\" && process.file.name == \"reader{n}\""),
            format!("path.contains(\"/secrets{n}/\") && program_name == \"reader{n}\""),
        ),
        8 => (
            format!("open.retval == EACCES && open.file.path =~ \"/root/.keys{n}/*\""),
            format!("retval == -13 && path.startsWith(\"/root/.keys{n}/\")"),
        ),
        _ => (
            format!(
                "process.file.name in [ \"curl{n}\", \"wget{n}\" ] && open.flags & O_CREAT > 0 && open.file.path =~ \"/tmp/*\""
            ),
            format!("program_name in [\"curl{n}\", \"wget{n}\"] && writes && path.startsWith(\"/tmp/\")"),
        ),
    };
    RuleText { secl, cel }
}
