//! Dumps of real workloads: what is in them, in every format, and what they say when something goes wrong.

use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use e2e::container::{ApiService, Image, remove};
use e2e::dumps::{Behaviour, behaviours, read};
use e2e::stack::{ANALYZER_UID, DEADLINE};
use e2e::{Stack, StackOptions};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use workloads::cgroup::OwnCgroup;

use crate::storm::Containers;

/// A directory that the analyzer writes dumps to.
fn directory() -> anyhow::Result<tempfile::TempDir> {
    let dir = tempfile::Builder::new().prefix("shrike-e2e-dumps-").tempdir()?;
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755))?;
    let dumps = dir.path().join("dumps");
    std::fs::create_dir(&dumps)?;
    chown(&dumps, Some(ANALYZER_UID), None)?;
    Ok(dir)
}

fn settings(dir: &Path, more: &str) -> String {
    format!(
        "[activity_dump]\ntraced_event_types = [\"exec\", \"open\", \"bind\"]\ncheckpoint_period = \"1s\"\n{more}\n\
         [activity_dump.local_storage]\noutput_directory = {:?}\nformats = [\"protobuf\", \"json\"]\n",
        dir.join("dumps")
    )
}

fn shrike(stack: &Stack, arguments: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(e2e::binary("shrike")?);
    command.arg("dump").args(arguments).arg("--socket").arg(stack.api()).stdin(Stdio::null());
    Ok(command)
}

async fn output(mut command: Command) -> anyhow::Result<Output> {
    Ok(tokio::task::spawn_blocking(move || command.output()).await??)
}

async fn succeeds(command: Command) -> anyhow::Result<String> {
    let output = output(command).await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// The dumps that run.
async fn list(stack: &Stack) -> anyhow::Result<Vec<Value>> {
    let lines = succeeds(shrike(stack, &["list", "--json"])?).await?;
    lines.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// Waits until the dumps that run are as they should be.
async fn until(stack: &Stack, what: &str, is_so: impl Fn(&[Value]) -> bool) -> anyhow::Result<Vec<Value>> {
    let mut last = Vec::new();
    let waiting = async {
        loop {
            // An analyzer that was killed is not there for a moment.
            if let Ok(dumps) = list(stack).await {
                if is_so(&dumps) {
                    return dumps;
                }
                last = dumps;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let found = tokio::time::timeout(DEADLINE, waiting).await;
    found.with_context(|| format!("not seen: {what}; last: {last:?}"))
}

/// Waits until the directory has so many files with this ending, and reads them.
async fn files(dir: &Path, ending: &str, count: usize) -> anyhow::Result<Vec<(PathBuf, Value)>> {
    let dumps = dir.join("dumps");
    let look = || -> anyhow::Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(&dumps)?.map(|entry| Ok(entry?.path()));
        let paths = entries.collect::<anyhow::Result<Vec<PathBuf>>>()?;
        Ok(paths.into_iter().filter(|path| path.extension().is_some_and(|known| known == ending)).collect())
    };
    let waiting = async {
        loop {
            let found = look()?;
            // Whatever can be seen is whole, at any moment.
            for path in &found {
                read(path).with_context(|| format!("a broken file: {}", path.display()))?;
            }
            if found.len() >= count {
                return anyhow::Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let found = tokio::time::timeout(DEADLINE, waiting).await.context("the files do not appear")??;
    found.into_iter().map(|path| read(&path).map(|read| (path.clone(), read))).collect()
}

fn tags(dump: &Value) -> Vec<&str> {
    let tags = dump.get("tags").and_then(Value::as_array);
    tags.into_iter().flatten().filter_map(Value::as_str).collect()
}

fn missed(dump: &Value) -> Vec<&str> {
    tags(dump).into_iter().filter(|tag| tag.starts_with("dump_")).collect()
}

/// A shell in a control group, which runs a script with one argument.
fn shell(cgroup: &OwnCgroup, script: &str, argument: &Path) -> anyhow::Result<Child> {
    // It becomes another program in there, so that it is known what runs.
    let join = r#"echo $$ > "$0/cgroup.procs" && exec /bin/sh -c "$1" sh "$2""#;
    let mut command = Command::new("/bin/sh");
    command.args(["-c", join]).arg(cgroup.dir()).arg(script).arg(argument);
    Ok(command.stdin(Stdio::null()).spawn()?)
}

async fn ended(mut child: Child) -> anyhow::Result<()> {
    let status = tokio::task::spawn_blocking(move || child.wait()).await??;
    ensure!(status.success(), "{status}");
    Ok(())
}

pub(crate) fn of_a_container() -> anyhow::Result<()> {
    crate::run(async {
        let name = format!("shrike-e2e-dump-{}", std::process::id());
        let image = Image::import(&name, "1.0")?;
        let parent = OwnCgroup::new(&name)?;
        let dir = directory()?;
        let socket = dir.path().join("podman.sock");
        let _api = ApiService::start(&socket).await?;
        // As the group of the runtime's socket does in production: the analyzer may ask.
        chown(&socket, Some(ANALYZER_UID), None)?;
        let options = StackOptions {
            scope: format!("cgroup={}", parent.path()),
            analyzer_toml: format!(
                "[tags]\ndocker_sockets = [{socket:?}]\nwait = \"20s\"\ntimeout = \"10s\"\n{}",
                settings(dir.path(), "")
            ),
            ..StackOptions::default()
        };
        let mut stack = Stack::start(&options).await?;
        let script = "cat /etc/motd; echo x > /out; cat /missing || :; cat /out /etc/motd; :";
        let id = image.create(&name, parent.path(), script)?;
        let out = |ending: &str| dir.path().join(format!("out.{ending}"));
        let endings = ["protobuf", "profile", "json", "dot", "html", "protobuf.gz"];
        let mut start = shrike(&stack, &["start", "--container", &id, "--timeout", "1h"])?;
        endings.iter().for_each(|ending| {
            start.arg("-o").arg(out(ending));
        });
        let start = tokio::spawn(succeeds(start));
        until(&stack, "the dump waits for the container", |dumps| dumps.len() == 1).await?;
        e2e::container::start(&id)?;
        stack.settled(1).await?;
        succeeds(shrike(&stack, &["stop", "--container", &id])?).await?;
        start.await??;
        remove(&id)?;
        let expected: BTreeSet<Behaviour> = [
            ("/bin/busybox /bin/sh", ""),
            ("/bin/busybox /bin/sh", "file /out"),
            ("/bin/busybox /bin/sh > /bin/busybox cat", ""),
            ("/bin/busybox /bin/sh > /bin/busybox cat", "file /etc/motd"),
            ("/bin/busybox /bin/sh > /bin/busybox cat", "file /out"),
        ]
        .map(|(process, what)| (process.to_owned(), what.to_owned()))
        .into();
        let kept = files(dir.path(), "protobuf", 1).await?;
        let kept_json = files(dir.path(), "json", 1).await?;
        let written = ["protobuf", "profile", "json"].map(|ending| read(&out(ending)));
        for dump in written.into_iter().chain(kept.into_iter().chain(kept_json).map(|(_, dump)| Ok(dump))) {
            let dump = dump?;
            ensure!(behaviours(&dump) == expected, "{:#?}", behaviours(&dump));
        }
        let dump = read(&out("protobuf"))?;
        for tag in
            [format!("container_id:{id}"), format!("image_name:localhost/{name}"), "image_tag:1.0".to_owned()]
        {
            ensure!(tags(&dump).contains(&tag.as_str()), "{tag}: {:?}", tags(&dump));
        }
        ensure!(missed(&dump).is_empty(), "{:?}", missed(&dump));
        let profile = read(&out("profile"))?;
        let selector = profile.pointer("/selector/image_name").and_then(Value::as_str).unwrap_or_default();
        ensure!(selector == format!("localhost/{name}"), "{selector}");
        for (ending, word) in [("dot", "digraph"), ("html", "<script")] {
            let text = std::fs::read_to_string(out(ending))?;
            ensure!(text.contains(word) && text.contains("motd"), "{ending}");
        }
        // What is converted is what was written.
        let again = out("again.profile");
        succeeds(shrike(
            &stack,
            &[
                "convert",
                out("protobuf.gz").to_str().context("a path")?,
                "-o",
                again.to_str().context("a path")?,
            ],
        )?)
        .await?;
        ensure!(behaviours(&read(&again)?) == expected, "{:?}", behaviours(&read(&again)?));
        Ok(())
    })
}

pub(crate) fn overload() -> anyhow::Result<()> {
    crate::run(async {
        let containers = Containers::new()?;
        let dir = directory()?;
        let more = "max_dump_size = 1024\nload_controller_period = \"1s\"\nrate_limiter = 1000000\nmin_timeout = \"10s\"";
        let options = StackOptions {
            scope: containers.scope.clone(),
            analyzer_toml: settings(dir.path(), more),
            check_one_in: 1000,
            ..StackOptions::default()
        };
        let mut stack = Stack::start(&options).await?;
        let id = "a".repeat(64);
        succeeds(shrike(&stack, &["start", "--container", &id, "--timeout", "1h", "--detach"])?).await?;
        let names = tempfile::tempdir()?;
        let script =
            "i=0; while [ $i -lt 100000 ]; do : > $1/name-$((i * 7919 % 1000003))-$i; i=$((i+1)); done";
        ended(shell(&containers.loud, script, names.path())?).await?;
        stack.settled(100_000).await?;
        let running = until(&stack, "it goes on with less", |dumps| {
            dumps.len() == 1 && dumps.iter().all(|dump| dump.get("status") == Some(&Value::from(3)))
        })
        .await?;
        let reduced = running.iter().flat_map(|dump| dump.get("missed").and_then(Value::as_array)).flatten();
        let reduced: Vec<&str> =
            reduced.filter_map(Value::as_str).filter(|tag| tag.starts_with("dump_reduced:")).collect();
        ensure!(reduced.iter().any(|tag| tag.starts_with("dump_reduced:rate:1000000:750000")), "{running:?}");
        succeeds(shrike(&stack, &["stop", "--container", &id])?).await?;
        let partial = files(dir.path(), "protobuf", 1).await?;
        let mut names_found = 0;
        for (path, dump) in &partial {
            let size = std::fs::metadata(path)?.len();
            ensure!(size < 16 << 20, "{size} bytes of {}", path.display());
            names_found += behaviours(dump).iter().filter(|(_, what)| what.contains("/name-")).count();
        }
        ensure!(
            partial.iter().any(|(_, dump)| missed(dump).contains(&"dump_partial:overload")),
            "no partial dump"
        );
        let left: u64 = partial
            .iter()
            .flat_map(|(_, dump)| missed(dump))
            .filter(|tag| tag.starts_with("dump_lost:open:"))
            .filter_map(|tag| tag.rsplit(':').next()?.parse::<u64>().ok())
            .sum();
        // Each name is in one of them, or counted by one of them.
        let all = names_found as u64 + left;
        ensure!(
            (99_000..=101_000).contains(&all) || reduced.iter().any(|tag| tag.ends_with(":open")),
            "{names_found} names and {left} left out"
        );
        Ok(())
    })
}

pub(crate) fn killed() -> anyhow::Result<()> {
    crate::run(async {
        let containers = Containers::new()?;
        let dir = directory()?;
        let options = StackOptions {
            scope: containers.scope.clone(),
            analyzer_toml: settings(dir.path(), ""),
            ..StackOptions::default()
        };
        let mut stack = Stack::start(&options).await?;
        let id = "a".repeat(64);
        let things = tempfile::tempdir()?;
        let does = |thing: &str| shell(&containers.loud, &format!(": > $1/{thing}"), things.path());
        let start = async |stack: &Stack| {
            succeeds(shrike(stack, &["start", "--container", &id, "--timeout", "1h", "--detach"])?).await
        };
        let stop = async |stack: &Stack| succeeds(shrike(stack, &["stop", "--container", &id])?).await;
        let held = |dumps: &[Value]| {
            dumps.first().and_then(|dump| dump.get("files")).and_then(Value::as_u64).unwrap_or_default()
        };
        for (round, service) in ["shrike-reporter", "shrike-probe", "shrike-analyzer"].into_iter().enumerate()
        {
            start(&stack).await?;
            ended(does("before")?).await?;
            let first = until(&stack, "something was recorded", |dumps| held(dumps) > 0).await?;
            let first = held(&first);
            // At least one copy is written then.
            let copies = dir.path().join("dumps/running");
            let copied = async {
                while std::fs::read_dir(&copies)?
                    .filter_map(Result::ok)
                    .all(|entry| !entry.file_name().to_string_lossy().ends_with(".protobuf"))
                {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                anyhow::Ok(())
            };
            tokio::time::timeout(DEADLINE, copied).await.context("no copy is written")??;
            let before = stack.pids_of(service)?;
            let pid = *before.first().context("it does not run")?;
            kill(Pid::from_raw(pid), Signal::SIGKILL)?;
            stack
                .until("every service is connected again", |status| {
                    status.probe_connected && status.reporter_connected
                })
                .await?;
            let restarted = async {
                while stack.pids_of(service)?.first().is_none_or(|now| *now == pid) {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                anyhow::Ok(())
            };
            tokio::time::timeout(DEADLINE, restarted).await.context("it is not started again")??;
            stack
                .until("every service is connected again", |status| {
                    status.probe_connected && status.reporter_connected && status.probe.is_some()
                })
                .await?;
            if service != "shrike-analyzer" {
                ended(does("after")?).await?;
                until(&stack, "it goes on", |dumps| held(dumps) > first).await?;
                if service == "shrike-probe" {
                    until(&stack, "the gap is told", |dumps| {
                        dumps.iter().any(|dump| dump.to_string().contains("dump_not_observed:"))
                    })
                    .await?;
                }
                stop(&stack).await?;
            }
            let all = files(dir.path(), "protobuf", round + 1).await?;
            let newest = all
                .iter()
                .max_by_key(|(path, _)| std::fs::metadata(path).and_then(|meta| meta.modified()).ok());
            let (_, dump) = newest.context("no dump")?;
            let things = behaviours(dump)
                .iter()
                .filter(|(_, what)| what.contains(&*things.path().to_string_lossy()))
                .count();
            match service {
                "shrike-reporter" => ensure!(missed(dump).is_empty() && things == 2, "{:?}", missed(dump)),
                "shrike-probe" => ensure!(
                    things == 2 && missed(dump).iter().any(|tag| tag.starts_with("dump_not_observed:")),
                    "{:?}",
                    missed(dump)
                ),
                _ => ensure!(
                    things == 1
                        && missed(dump).contains(&"dump_partial:killed")
                        && missed(dump).iter().any(|tag| tag.ends_with(":analyzer_killed")),
                    "{:?}",
                    missed(dump)
                ),
            }
        }
        // Dumps are found again in the order in which they were written, and none runs.
        ensure!(list(&stack).await?.is_empty());
        let running = std::fs::read_dir(dir.path().join("dumps/running"))?.count();
        ensure!(running == 0, "{running} copies are left");
        Ok(())
    })
}
