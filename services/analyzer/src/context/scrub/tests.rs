use std::sync::Arc;

use event::{Exec, Strings, Text};
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

mod passed;

fn strings(items: &[&[u8]]) -> Strings {
    Strings { items: items.iter().map(|item| Text::from(*item)).collect(), truncated: true }
}

fn command(args: &[&str]) -> Exec {
    let args: Vec<&[u8]> = args.iter().map(|arg| arg.as_bytes()).collect();
    Exec { args: strings(&args), tty: "pts1".into(), ..Exec::default() }
}

fn shown(strings: &Strings) -> Vec<String> {
    strings.items.iter().map(ToString::to_string).collect()
}

fn scrubbed(scrubber: &Scrubber, args: &[&str]) -> Vec<String> {
    let exec = command(args);
    let new = scrubber.exec(&exec);
    if let Some(new) = &new {
        assert_ne!(*new, exec, "{args:?}: nothing changed, and a copy was made");
        assert!(new.args.truncated && new.tty == exec.tty, "only the strings change");
    }
    shown(&new.as_ref().unwrap_or(&exec).args)
}

#[test]
fn secrets_of_command_lines_are_masked_and_the_rest_is_kept() {
    let scrubber = Scrubber::default();
    let mut cases = 0;
    let mut check = |args: &[&str], expect: &[&str]| {
        assert_eq!(scrubbed(&scrubber, args), expect, "{args:?}");
        cases += 1;
    };
    const M: &str = "********";

    // The forms of a key and its delimiter.
    check(&["db", "--password=x"], &["db", "--password=********"]);
    check(&["db", "--password", "x"], &["db", "--password", M]);
    check(&["db", "-password", "x"], &["db", "-password", M]);
    check(&["db", "-password=x"], &["db", "-password=********"]);
    check(&["db", "password=x"], &["db", "password=********"]);
    check(&["db", "password:x"], &["db", "password:********"]);
    check(&["db", "password", "x"], &["db", "password", M]);
    check(&["db", "--password:x"], &["db", "--password:********"]);
    check(&["db", "--PassWord=x"], &["db", "--PassWord=********"]);
    check(&["db", "PASSWORD", "x", "y"], &["db", "PASSWORD", M, "y"]);

    // Every default word, and where its wildcards reach.
    check(&["db", "--db-password=x"], &["db", "--db-password=********"]);
    check(&["db", "--password-file=x"], &["db", "--password-file=********"]);
    check(&["db", "--passwd", "x"], &["db", "--passwd", M]);
    check(&["sh", "MYSQL_PWD=x", "mysql"], &["sh", "MYSQL_PWD=********", "mysql"]);
    check(&["cli", "--access_token=x"], &["cli", "--access_token=********"]);
    check(&["cli", "--my_auth_token", "x"], &["cli", "--my_auth_token", M]);
    check(&["cli", "--api_key", "x"], &["cli", "--api_key", M]);
    check(&["cli", "-apikey=x"], &["cli", "-apikey=********"]);
    check(&["cli", "--client-secret-id=x"], &["cli", "--client-secret-id=********"]);
    check(&["cli", "--credentials", "x"], &["cli", "--credentials", M]);
    check(&["cli", "stripetoken", "x"], &["cli", "stripetoken", M]);
    check(&["cli", "--stripetoken=x"], &["cli", "--stripetoken=********"]);
    check(&["cli", "mystripetoken", "x"], &["cli", "mystripetoken", "x"]);
    check(&["cli", "---stripetoken", "x"], &["cli", "---stripetoken", M]);
    check(&["cli", "stripetokens=x"], &["cli", "stripetokens=x"]);
    check(&["rails", "server"], &["rails", M]);
    check(&["db", "--password$dollar=x"], &["db", "--password$dollar=********"]);
    check(&["db", "$password=x"], &["db", "$password=x"]);
    check(&["db", "/etc/password", "x"], &["db", "/etc/password", "x"]);
    check(&["db", "--passwor", "x"], &["db", "--passwor", "x"]);

    // A dash is as good as an underscore.
    check(&["cli", "--api-key", "x"], &["cli", "--api-key", M]);
    check(&["cli", "--api-key=x", "y"], &["cli", "--api-key=********", "y"]);
    check(&["cli", "--access-token=x"], &["cli", "--access-token=********"]);
    check(&["cli", "--my-auth_token", "x"], &["cli", "--my-auth_token", M]);
    check(&["cli", "--MYSQL-PWD:x"], &["cli", "--MYSQL-PWD:********"]);
    check(&["curl", "-H", "X-Api-Key: x"], &["curl", "-H", "X-Api-Key: ********"]);
    check(&["curl", "http://h/p?api-key=x&b=c"], &["curl", "http://h/p?api-key=********"]);
    check(
        &["sh", "-c", "run --access-token x --api-key 'y z' w"],
        &["sh", "-c", "run --access-token ******** --api-key '********' w"],
    );
    check(&["cli", "--api--key=x", "--access=x"], &["cli", "--api--key=x", "--access=x"]);
    check(&["apt-key", "list"], &["apt-key", "list"]);

    // argv[0] and the first argument are no exception.
    check(&["password=x"], &["password=********"]);
    check(&["--password", "x"], &["--password", M]);
    check(&["mysecret", "x", "y"], &["mysecret", M, "y"]);

    // Values that are empty, missing, quoted, or have spaces.
    check(&["db", "--password="], &["db", "--password=********"]);
    check(&["db", "--password=", "next"], &["db", "--password=********", "next"]);
    check(&["db", "--password", "", "next"], &["db", "--password", M, M]);
    check(&["db", "--password"], &["db", "--password"]);
    check(&["db", "--password=correct horse battery"], &["db", "--password=********"]);
    check(&["db", "--password", "correct horse battery"], &["db", "--password", M]);
    check(&["db", "password=\"a b\" c"], &["db", "password=\"********\" c"]);
    check(&["db", "password='a b' c"], &["db", "password='********' c"]);
    check(&["db", "password=\"a\\\"b c\" d"], &["db", "password=\"********\" d"]);
    check(&["db", "password='a'b\"c d\" e"], &["db", "password=******** e"]);
    check(&["db", "password=a\\ b c"], &["db", "password=******** c"]);
    check(&["db", "password=\"never closed, all secret"], &["db", "password=********"]);
    check(&["db", "password=it's fine"], &["db", "password=******** fine"]);
    check(&["db", "--password", "\"quoted\""], &["db", "--password", M]);

    // A secret in an argument of its own, behind other arguments.
    check(&["db", "--password", "a", "--token", "b"], &["db", "--password", M, "--token", M]);
    check(&["db", "--password", "mysecret", "--user", "u"], &["db", "--password", M, "--user", "u"]);
    check(&["db", "--password", "--secret", "x"], &["db", "--password", M, M]);
    check(&["db", "--password", "--secret=x", "y"], &["db", "--password", M, "y"]);
    check(&["db", "--password", "-u", "x"], &["db", "--password", M, "x"]);
    check(&["db", "password", "=", "x", "y"], &["db", "password", "=", M, "y"]);
    check(&["db", "password", ":", "x"], &["db", "password", ":", M]);
    check(&["db", "password:", "x"], &["db", "password:********", M]);
    check(&["db", "password:", "-v"], &["db", "password:********", "-v"]);

    // Keys inside an argument: scripts, headers, bodies, queries.
    check(&["sh", "-c", "mysql --password=x -u root"], &["sh", "-c", "mysql --password=******** -u root"]);
    check(&["sh", "-c", "mysql --password x -u root"], &["sh", "-c", "mysql --password ******** -u root"]);
    check(&["sh", "-c", "db  -passwd   x  -u"], &["sh", "-c", "db  -passwd   ********  -u"]);
    check(&["sh", "-c", "a\tpassword\tx\nb"], &["sh", "-c", "a\tpassword\t********\nb"]);
    check(&["sh", "-c", "PASSWORD=x ./run; ls"], &["sh", "-c", "PASSWORD=******** ./run; ls"]);
    check(&["sh", "-c", "a --password --secret x b"], &["sh", "-c", "a --password ******** ******** b"]);
    check(&["sh", "-c", "a --password --secret=x b"], &["sh", "-c", "a --password ******** b"]);
    check(
        &["sh", "-c", "a --password=x --secret 'y z' b"],
        &["sh", "-c", "a --password=******** --secret '********' b"],
    );
    check(&["sh", "-c", "mysql --password", "x"], &["sh", "-c", "mysql --password", M]);
    check(&["sh", "-c", "mysql --password ", "x"], &["sh", "-c", "mysql --password ", M]);
    check(&["py", "-c", "password = 'a b'; go()"], &["py", "-c", "password = '********'; go()"]);
    check(&["py", "-c", "password =", "x"], &["py", "-c", "password =", M]);
    check(&["curl", "-H", "X-Api_Key: x"], &["curl", "-H", "X-Api_Key: ********"]);
    check(
        &["curl", "-d", "{\"user\":\"bob\",\"password\":\"a b\",\"age\":3}"],
        &["curl", "-d", "{\"user\":\"bob\",\"password\":\"********\",\"age\":3}"],
    );
    check(
        &["curl", "-d", "{\"secret\":\"a\",\"apikey\":\"b\"}"],
        &["curl", "-d", "{\"secret\":\"********\",\"apikey\":\"********\"}"],
    );
    check(&["curl", "http://h/p?user=u&password=x"], &["curl", "http://h/p?user=u&password=********"]);
    check(&["curl", "http://h/p?api_key=x"], &["curl", "http://h/p?api_key=********"]);
    check(&["docker", "run", "--env=DB_PASSWORD=a b"], &["docker", "run", "--env=DB_PASSWORD=********"]);
    check(&["curl", "http://h/reset?x=password", "-v"], &["curl", "http://h/reset?x=password", "-v"]);

    // Nothing to do.
    check(&["ls", "-l", "/tmp"], &["ls", "-l", "/tmp"]);
    check(&[], &[]);
    check(&[""], &[""]);
    check(&["cat", "/run/secrets/db"], &["cat", "/run/secrets/db"]);
    check(&["db", "--password", M], &["db", "--password", M]);
    assert!(cases >= 60, "{cases}");
}

#[test]
fn custom_words_follow_their_wildcards() {
    let words = ["pin", "my*key", "tok*", "*end", "MiXed"].map(String::from);
    let (scrubber, refused) = Scrubber::new(&words, None);
    assert_eq!(refused, []);
    let check = |args: &[&str], expect: &[&str]| {
        assert_eq!(scrubbed(&scrubber, args), expect, "{args:?}");
    };
    check(&["a", "--pin=1", "pins=2", "xpin=3"], &["a", "--pin=********", "pins=2", "xpin=3"]);
    check(&["a", "my-big-key=1", "mykey=2"], &["a", "my-big-key=********", "mykey=********"]);
    check(&["a", "my/key=1", "mykeys=2", "my$key=3"], &["a", "my/key=1", "mykeys=2", "my$key=3"]);
    check(&["a", "token=1", "tok/x$y=2", "atok=3"], &["a", "token=********", "tok/x$y=********", "atok=3"]);
    check(&["a", "the-end=1", "ends=2", "a/end=3"], &["a", "the-end=********", "ends=2", "a/end=3"]);
    check(&["a", "mixed=1", "x,mixed=2"], &["a", "mixed=********", "x,mixed=********"]);
    check(&["a", "--password=still"], &["a", "--password=********"]);

    let (scrubber, _) = Scrubber::new(&["_", "my_*_pin"].map(String::from), None);
    let check = |args: &[&str], expect: &[&str]| {
        assert_eq!(scrubbed(&scrubber, args), expect, "{args:?}");
    };
    check(&["a", "-", "x"], &["a", "-", "********"]);
    check(
        &["a", "my-own_pin=1", "my-own-pin:2", "mypin=3"],
        &["a", "my-own_pin=********", "my-own-pin:********", "mypin=3"],
    );
}

#[test]
fn words_that_cannot_be_used_are_returned_with_the_reason() {
    let words = ["", "*", "a**b", "a-b", "é", "fine", "with space", "**"].map(String::from);
    let (scrubber, refused) = Scrubber::new(&words, None);
    let reasons: Vec<_> = refused.iter().map(|refused| (refused.word.as_str(), refused.reason)).collect();
    assert_eq!(
        reasons,
        [
            ("", WordProblem::Empty),
            ("*", WordProblem::OnlyStar),
            ("a**b", WordProblem::DoubleStar),
            ("a-b", WordProblem::Character('-')),
            ("é", WordProblem::Character('é')),
            ("with space", WordProblem::Character(' ')),
            ("**", WordProblem::DoubleStar),
        ]
    );
    assert_eq!(
        refused[3].to_string(),
        "sensitive word \"a-b\" is not used: '-' is not allowed, only letters, digits, _ and *"
    );
    assert_eq!(scrubbed(&scrubber, &["x", "fine=1"]), ["x", "fine=********"]);
}

#[test]
fn of_the_environment_only_allowed_values_are_kept() {
    let check = |scrubber: &Scrubber, envs: &[&[u8]], expect: &[&[u8]]| {
        let exec = Exec { envs: strings(envs), ..command(&["ls"]) };
        let new = scrubber.exec(&exec).unwrap_or_else(|| exec.clone());
        assert_eq!(new.envs, strings(expect));
        assert_eq!(new.args, exec.args);
    };
    let default = Scrubber::default();
    check(
        &default,
        &[
            b"HOME=/root",
            b"PATH=/bin",
            b"LD_PRELOAD=/x.so",
            b"PATHS=/y",
            b"path=/z",
            b"NAME",
            b"=odd",
            b"X=\xff",
        ],
        &[b"HOME", b"PATH=/bin", b"LD_PRELOAD=/x.so", b"PATHS", b"path", b"NAME", b"", b"X"],
    );
    check(&default, &[b"TOKEN=a=b"], &[b"TOKEN"]);
    let (custom, _) = Scrubber::new(&[], Some(&["LANG".to_owned()]));
    check(&custom, &[b"LANG=C", b"PATH=/bin"], &[b"LANG=C", b"PATH"]);
    let kept = Exec { envs: strings(&[b"PATH=/bin", b"HOME"]), ..command(&["ls"]) };
    assert_eq!(default.exec(&kept), None, "no copy when nothing changes");
}

#[test]
fn bytes_that_are_not_utf_8_are_kept_around_a_secret_and_masked_in_it() {
    let args: [&[u8]; 4] = [b"\xff", b"\xfe --password=\xfd\xfc \xfb", b"--secret", b"\x80"];
    let exec = Exec { args: strings(&args), ..Exec::default() };
    let expect: [&[u8]; 4] = [b"\xff", b"\xfe --password=******** \xfb", b"--secret", b"********"];
    assert_eq!(Scrubber::default().exec(&exec).unwrap().args, strings(&expect));
}

#[test]
fn untouched_arguments_are_shared_not_copied() {
    let exec = command(&["db", "--password=x", "a long argument"]);
    let new = Scrubber::default().exec(&exec).unwrap();
    assert!(std::ptr::eq(new.args.items[2].as_bytes(), exec.args.items[2].as_bytes()));
    assert!(Arc::ptr_eq(&new.executable, &exec.executable));
}

#[test]
fn hostile_megabytes_are_scrubbed_like_any_argument() {
    let words = ["fo*bar", "a*b*c*d", "x*", "_*_y", "m_y*_z"].map(String::from);
    let (scrubber, _) = Scrubber::new(&words, None);
    let patterns = [
        "password",
        "--password ",
        "password=\"",
        "password='",
        "\"'password=",
        "--secret -\"",
        "fo,",
        "a,b,",
        "a*",
        "$password",
        "/secret/",
        ",,,,",
        "-",
        "\\\"password=",
        "password:",
        "password =",
        "passwordpasswor",
        "x --password -\"\\\"",
        "{\"secret\":",
        "''''",
        "x=",
        "--password --secret=\"'",
        "api-",
        "--api-key ",
        "access-token:",
        "api-key,",
        "m-y_",
    ];
    // No clock: a step that is quadratic in the megabyte would keep this test busy for hours, not for milliseconds.
    for pattern in patterns {
        let text = format!("z {}fobar", pattern.repeat((1 << 20) / pattern.len()));
        let args = strings(&[text.as_bytes(), b"end", b"--password", b"hunter2"]);
        let scrubbed = scrubber.exec(&Exec { args, ..Exec::default() }).unwrap();
        assert_eq!(scrubbed.args.items.len(), 4, "{pattern:?}");
        assert_eq!(scrubbed.args.items[3].as_bytes(), b"********", "{pattern:?}");
    }
}

/// A way to give a secret to a program, as arguments, with the value in place of `@`.
const FORMS: [&[&str]; 18] = [
    &["--password=@"],
    &["--password", "@"],
    &["-passwd", "@"],
    &["db_password", "@"],
    &["--api_key:@"],
    &["--api-key", "@"],
    &["--access-token=@"],
    &["--MY_SECRET_ID=@"],
    &["stripetoken", "@"],
    &["password", "=", "@"],
    &["sh", "-c", "run --password='@' -v"],
    &["sh", "-c", "run --password \"@\" -v"],
    &["sh", "-c", "X_APIKEY='@' run"],
    &["curl", "-d", "{\"a\":\"b\",\"secret\":\"@\",\"c\":1}"],
    &["curl", "-H", "Auth_Token: '@'"],
    &["--env=DB_PASSWORD=@"],
    &["--password", "--secret", "@"],
    &["credentials:", "@"],
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_secret_of_a_generated_command_line_survives(
        before in proptest::collection::vec("[a-z/.-]{0,6}", 0..4),
        uses in proptest::collection::vec((select(&FORMS[..]), "Z[0-9 ]{0,6}[0-9A-Y%&;,.=:/$-]{0,12}Z"), 1..5),
        after in proptest::collection::vec("[a-z]{1,6}", 0..3),
    ) {
        let mut args = before;
        for (form, secret) in &uses {
            args.extend(form.iter().map(|arg| arg.replace('@', secret)));
        }
        args.extend(after);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let shown = scrubbed(&Scrubber::default(), &args);
        prop_assert_eq!(shown.len(), args.len());
        for (_, secret) in uses {
            prop_assert!(!shown.iter().any(|arg| arg.contains(&secret)), "{:?} in {:?}", secret, shown);
        }
        prop_assert!(!shown.concat().contains('Z'), "{:?}", shown);
    }

    #[test]
    fn any_bytes_keep_their_number_of_arguments(
        args in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..30),
                "((--)?(password|secret|x|rails)|[=: \"'\\\\{,&]){0,8}".prop_map(String::into_bytes),
            ],
            0..8,
        ),
    ) {
        let items: Vec<Text> = args.into_iter().map(Text::from).collect();
        let exec = Exec { args: Strings { items, truncated: false }, ..Exec::default() };
        if let Some(new) = Scrubber::default().exec(&exec) {
            prop_assert_eq!(new.args.items.len(), exec.args.items.len());
            prop_assert_ne!(new, exec);
        }
    }
}
