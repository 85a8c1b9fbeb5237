//! Secrets that once passed, what looks like one and is none, and that scrubbing twice is scrubbing once.

use event::{Exec, Strings, Text};
use proptest::prelude::*;
use proptest::sample::select;

use super::{Scrubber, scrubbed, strings};

const M: &str = "********";

/// Splits at single spaces; `_` stands for a space inside an argument.
fn args(line: &str) -> Vec<String> {
    line.split(' ').map(|arg| arg.replace('_', " ")).collect()
}

fn check(line: &str, expect: &str) {
    let args = args(line);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let expect: Vec<String> = expect.split(' ').map(|arg| arg.replace('_', " ").replace('@', M)).collect();
    assert_eq!(scrubbed(&Scrubber::default(), &args), expect, "{line}");
}

/// Nothing in the line is a secret.
fn check_kept(line: &str) {
    let args = args(line);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    assert_eq!(scrubbed(&Scrubber::default(), &args), args, "{line}");
}

#[test]
fn a_password_after_an_option_is_hidden_for_programs_that_take_one_there() {
    check("mysql -phunter2", "mysql -p@");
    check("mysql -p hunter2", "mysql -p @");
    check("mysql -uroot -phunter2 db", "mysql -uroot -p@ db");
    check("/usr/bin/mysqldump -u root -phunter2 db", "/usr/bin/mysqldump -u root -p@ db");
    check("mariadb-dump -phunter2", "mariadb-dump -p@");
    check("mysql -Nrphunter2", "mysql -Nrp@");
    check("mysql -p -u root", "mysql -p -u root");
    check("mysql -pa_b", "mysql -p@");
    check("psql -p hunter2", "psql -p @");
    check("sshpass -p hunter2 ssh -p 22 host", "sshpass -p @ ssh -p 22 host");
    check("sshpass -phunter2 scp a host:b", "sshpass -p@ scp a host:b");
    check("sshpass -p -hunter2 ssh host", "sshpass -p @ ssh host");
    check("sshpass -v -p hunter2 mysql -px", "sshpass -v -p @ mysql -p@");
    check("curl -u bob:hunter2 http://h", "curl -u bob:@ http://h");
    check("curl -ubob:hunter2 http://h", "curl -ubob:@ http://h");
    check("curl -sSu bob:hun_ter2 http://h", "curl -sSu bob:@ http://h");
    check("curl --user bob:hunter2 http://h", "curl --user bob:@ http://h");
    check("curl --user=bob:hunter2 http://h", "curl --user=bob:@ http://h");
    check("curl --proxy-user bob:hunter2 h", "curl --proxy-user bob:@ h");
    check("curl -U bob:hunter2 h", "curl -U bob:@ h");
    check("curl --oauth2-bearer hunter2 h", "curl --oauth2-bearer @ h");
    check("redis-cli -a hunter2 ping", "redis-cli -a @ ping");
    check("mongosh -u bob -p hunter2", "mongosh -u bob -p @");
    check("ldapsearch -x -D cn=admin -w hunter2", "ldapsearch -x -D cn=admin -w @");
    check("ldapsearch -xw hunter2", "ldapsearch -xw @");
    check("smbclient //h/s -U bob%hunter2", "smbclient //h/s -U bob%@");
    check("lftp -u bob,hunter2 h", "lftp -u bob,@ h");
    check("sqlcmd -S h -U sa -P hunter2", "sqlcmd -S h -U sa -P @");
    check("ssh-keygen -t rsa -N hunter2 -f k", "ssh-keygen -t rsa -N @ -f k");
    check("openssl rsa -in k -passin pass:hunter2", "openssl rsa -in k -passin @");
    check("zip -rP hunter2 a.zip b", "zip -rP @ a.zip b");
    check("7z a -phunter2 a.7z b", "7z a -p@ a.7z b");
    check("rar a -hphunter2 a.rar b", "rar a -hp@ a.rar b");
    check("docker login -u bob -p hunter2 r", "docker login -u bob -p @ r");

    // Started by another program, or written in a text.
    check("sudo -u root mysql -phunter2", "sudo -u root mysql -p@");
    check("sudo -n mysql -phunter2", "sudo -n mysql -p@");
    check("env A=b mysql -phunter2", "env A=b mysql -p@");
    check("timeout 5 mysql -phunter2", "timeout 5 mysql -p@");
    check("nice -n 5 nohup mysql -phunter2", "nice -n 5 nohup mysql -p@");
    check("docker exec -it db mysql -phunter2", "docker exec -it db mysql -p@");
    check("kubectl exec -n a pod -- mysql -phunter2", "kubectl exec -n a pod -- mysql -p@");
    check("ssh -p 22 host mysql -phunter2", "ssh -p 22 host mysql -p@");
    check("sh -c mysql_-phunter2_db", "sh -c mysql_-p@_db");
    check(
        "sh -c cd_/x_&&_mysqldump_-p'a_b'_db|curl_-u_a:b_h",
        "sh -c cd_/x_&&_mysqldump_-p'@'_db|curl_-u_a:@_h",
    );
    check("sh -c sshpass_-p_\"x_y\"_ssh_-p_22_h", "sh -c sshpass_-p_\"@\"_ssh_-p_22_h");
    check("python3 -c system('mysql_-px')", "python3 -c system('mysql_-p@");
    check("find / -exec mysql -phunter2 {}", "find / -exec mysql -p@ {}");
}

#[test]
fn an_option_that_is_no_password_stays() {
    for line in [
        "mkdir -p a/b",
        "mkdir -p mysql",
        "ssh -p 22 host",
        "ssh -p 22 bob@host ls -p x",
        "scp -P 22 a b",
        "psql -h db -p 5432 -U bob",
        "docker run -p 80:80 nginx",
        "docker run --name mysql -p 3306:3306 mysql:8",
        "docker run -h mysql -p 3306:3306 mysql:8",
        "docker compose -p project up",
        "cp -p a b",
        "ps -p 1",
        "tar -czpf a.tgz b",
        "nmap -p 80 h",
        "python -u x.py",
        "sort -u a:b",
        "git log -p HEAD",
        "mysqld -p 3306",
        "sh -c mkdir_-p_a;_ssh_-p_22_h",
        "sh -c mysql_-e_x;_mkdir_-p_a",
        "sh -c mkdir_-p_/var/lib/mysql_&&_cp_-p_a_b",
        "curl -u bob http://h",
        "curl -fsSL http://h/a:b",
        "sudo mkdir -p a",
        "env -i mkdir -p a",
        "grep -e token file",
    ] {
        check_kept(line);
    }
}

#[test]
fn a_token_passphrase_private_key_or_pwd_is_hidden_in_any_case() {
    check("vault --token hunter2 x", "vault --token @ x");
    check("vault --token=hunter2 x", "vault --token=@ x");
    check("vault -token hunter2 x", "vault -token @ x");
    check("a --TOKEN hunter2", "a --TOKEN @");
    check("a --Vault-Token hunter2", "a --Vault-Token @");
    check("env GITHUB-TOKEN=hunter2 make", "env GITHUB-TOKEN=@ make");
    check("sh -c GITLAB-TOKEN=hunter2_make", "sh -c GITLAB-TOKEN=@_make");
    check("sh -c run_--token_hunter2_x", "sh -c run_--token_@_x");
    check("gpg --passphrase hunter2 -d f", "gpg --passphrase @ -d f");
    check("gpg --PassPhrase=hunter2 -d f", "gpg --PassPhrase=@ -d f");
    check("a --private-key hunter2", "a --private-key @");
    check("a --private-key=hunter2", "a --private-key=@");
    check("a --PRIVATE-KEY hunter2", "a --PRIVATE-KEY @");
    check("isql Server=h;Uid=sa;Pwd=hunter2;", "isql Server=h;Uid=sa;Pwd=@");
    check("a pwd=hunter2", "a pwd=@");
    check("a PWD=hunter2", "a PWD=@");
    check("a DB-PASS=hunter2", "a DB-PASS=@");
    check("openssl x -in pass:hunter2", "openssl x -in pass:@");
    check("py -c token_=_'a_b'", "py -c token_=_'@'");

    // Words of a sentence, or of a command.
    for line in ["npm token list", "a --max-tokens 100", "sh -c cd_x;_pwd;_ls", "pass show x", "a --bypass=1"]
    {
        check_kept(line);
    }
}

#[test]
fn credentials_of_a_header_are_hidden() {
    check("curl -H Authorization:_Bearer_hunter2 h", "curl -H Authorization:_Bearer_@ h");
    check("curl -H authorization:_BEARER_hunter2 h", "curl -H authorization:_BEARER_@ h");
    check("curl -H Authorization:_Basic_hunter2 h", "curl -H Authorization:_Basic_@ h");
    check("curl -H Authorization:_token_hunter2 h", "curl -H Authorization:_token_@ h");
    check("curl -H Proxy-Authorization:_hunter2 h", "curl -H Proxy-Authorization:_@ h");
    check("curl -H Authorization:hunter2 h", "curl -H Authorization:@ h");
    check("curl -H Authorization:_Digest_user=u,_response=hunter2 h", "curl -H Authorization:_Digest_@ h");
    check("curl -H Authorization: Bearer hunter2 h", "curl -H Authorization: Bearer @ h");
    check("curl -H Authorization: hunter2 h", "curl -H Authorization: @ h");
    check("a Bearer hunter2 h", "a Bearer @ h");
    check("sh -c curl_-H_\"Authorization:_Bearer_hunter2\"_h", "sh -c curl_-H_\"Authorization:_Bearer_@\"_h");
    check("a {\"authorization\":\"Bearer_hunter2\",\"b\":1}", "a {\"authorization\":\"Bearer_@\",\"b\":1}");
    for line in ["a --auth basic x", "a --type bearer --name x", "a the_bear_er", "a Authorization"] {
        check_kept(line);
    }
}

#[test]
fn the_password_of_an_address_is_hidden_and_the_user_and_host_stay() {
    let hidden = |address: &str, expect: &str| {
        for around in ["a *", "a --url=*", "sh -c a_*_b", "sh -c a_'*'_b"] {
            let args = args(&around.replace('*', address));
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let expect = self::args(&around.replace('*', expect));
            assert_eq!(scrubbed(&Scrubber::default(), &args), expect, "{address} in {around}");
        }
    };
    hidden("postgres://bob:hunter2@h/db", "postgres://bob:********@h/db");
    hidden("https://bob:hun:t@er@h:80/a?b=c", "https://bob:********@h:80/a?b=c");
    hidden("https://:hunter2@h", "https://:********@h");
    hidden("POSTGRES://bob:hunt/er2@h/db", "POSTGRES://bob:********@h/db");
    hidden("http://a:b@c,http://d:e@f", "http://a:********@c,http://d:********@f");
    hidden("bob:hunter2@h", "bob:********@h");
    hidden("bob:hunter2@[::1]:80", "bob:********@[::1]:80");
    for line in [
        "git clone git@github.com:a/b",
        "git clone ssh://git@github.com:22/a/b",
        "docker pull nginx:1.25@sha256:abc",
        "docker pull registry:5000/a/b@sha256:abc",
        "docker pull http://registry:5000/a@v2",
        "npm i x@npm:react@18",
        "a mailto:bob@h",
        "scp bob@h:a b",
        "a http://[::1]:80/a@b",
        "a https://h/path?mail=a@b",
    ] {
        check_kept(line);
    }
}

#[test]
fn a_secret_after_an_empty_argument_is_hidden() {
    let check = |args: &[&str], expect: &[&str]| {
        assert_eq!(scrubbed(&Scrubber::default(), args), expect, "{args:?}");
    };
    check(&["db", "--password", "", "x"], &["db", "--password", M, M]);
    check(&["db", "--password", "", "-v", "x"], &["db", "--password", M, "-v", "x"]);
    check(&["db", "", "--password", "x"], &["db", "", "--password", M]);
    check(&["", "--token", "x"], &["", "--token", M]);
    check(&["mysql", "", "-px"], &["mysql", "", "-p********"]);
}

#[test]
fn what_was_json_is_json_after_scrubbing_and_the_same_after_scrubbing_again() {
    let once = scrubbed(&Scrubber::default(), &["curl", "-d", "{\"password\":\"x\"}"]);
    assert_eq!(once[2], "{\"password\":\"********\"}");
    let again = scrubbed(&Scrubber::default(), &["curl", "-d", &once[2]]);
    assert_eq!(again, once);
    // Without its last @, which is a password, the rest is an address.
    assert_eq!(scrubbed(&Scrubber::default(), &["u:x@hpassword=@"]), ["u:********@hpassword=********"]);
}

#[test]
fn a_program_without_a_name_is_known_by_its_file() {
    let executable =
        std::sync::Arc::new(event::File { path: "/usr/bin/mysql".into(), ..event::File::default() });
    for name in ["", "-"] {
        let exec = Exec {
            executable: executable.clone(),
            args: strings(&[name.as_bytes(), b"-px"]),
            ..Exec::default()
        };
        let scrubbed = Scrubber::default().exec(&exec).unwrap();
        assert_eq!(scrubbed.args, strings(&[name.as_bytes(), b"-p********"]));
    }
}

#[test]
fn hostile_megabytes_for_programs_and_shapes_take_linear_time() {
    let patterns = [
        "mysql -p\" ",
        "mysql ",
        "-p\"\\\" ",
        "mysql -p'\\' ",
        "curl -u ",
        "docker login -p ",
        "://u:x/",
        "a:b@",
        "@",
        "://",
        "bearer ",
        "authorization",
        "authorization: digest ",
        "authorization:\"",
        "u:",
        "sudo ",
        "mysql;",
        "-p",
        "/mysql",
        "a=b:c@d ",
        "\"mysql -p\"",
        "token = ",
        "token ",
        "     ",
    ];
    // No clock: a step that is quadratic in the megabyte would keep this test busy for hours, not for milliseconds.
    for pattern in patterns {
        let text = pattern.repeat((1 << 20) / pattern.len());
        let args = strings(&[b"mysql", text.as_bytes(), b"--token", b"hunter2"]);
        let scrubbed = Scrubber::default().exec(&Exec { args, ..Exec::default() }).unwrap();
        assert_eq!(scrubbed.args.items.last().unwrap().as_bytes(), b"********", "{pattern:?}");
    }
}

/// What command lines are made of.
const PIECES: &[&str] = &[
    "password",
    "--password",
    "secret",
    "token",
    "--token",
    "pass",
    "pwd",
    "rails",
    "authorization",
    "bearer",
    "basic",
    "digest",
    "mysql",
    "sudo",
    "docker",
    "login",
    "ssh",
    "sshpass",
    "curl",
    "psql",
    "env",
    "-p",
    "-u",
    "-U",
    "--user",
    "-su",
    "=",
    ":",
    "@",
    "://",
    "/",
    "$",
    "%",
    ",",
    ";",
    "&&",
    "|",
    " ",
    " ",
    " ",
    " ",
    "\"",
    "'",
    "\\",
    "{",
    "}",
    "\n",
    "22",
    "x",
    "********",
    "\"password\":",
    "\"x\"",
    "'a b'",
    "mysql -p",
    "curl -u ",
    "u:x@h",
    "http://u:x@h",
    "-px",
    "authorization: ",
    "bearer x",
    "password=",
    "--secret=",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn scrubbing_twice_is_scrubbing_once(
        args in proptest::collection::vec(
            prop_oneof![
                3 => proptest::collection::vec(select(PIECES), 0..9).prop_map(|pieces| pieces.concat().into_bytes()),
                1 => select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()),
                1 => proptest::collection::vec(any::<u8>(), 0..12),
            ],
            0..7,
        ),
    ) {
        let items: Vec<Text> = args.into_iter().map(Text::from).collect();
        let exec = Exec { args: Strings { items, truncated: false }, ..Exec::default() };
        let scrubber = Scrubber::default();
        if let Some(once) = scrubber.exec(&exec) {
            prop_assert_eq!(once.args.items.len(), exec.args.items.len());
            prop_assert_eq!(scrubber.exec(&once), None, "{:?} became {:?}", exec.args, once.args);
        }
    }
}
