//! `shrike demo`: a small workload in something like a container, watched from the kernel to an intake.
//!
//! It starts what `shrike run` starts, and a local intake, and succeeds only when the numbers of both ends agree and a
//! replay of what it recorded gives what the intake has.

mod container;
mod received;
mod replayed;

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use indicatif::ProgressBar;
use tokio::sync::watch;
use tokio_stream::StreamExt;
use tonic::Streaming;
use wire::v1::{EventMessage, SubscribeRequest};

use crate::api;
use crate::args::{DemoArgs, Global, SelectArgs};
use crate::events::Printer;
use crate::failure::Failure;
use crate::launch::identity::{Identities, require_root};
use crate::launch::logs::Voice;
use crate::launch::output::Output;
use crate::launch::programs;
use crate::launch::run_dir::{IfTaken, RunDir};
use crate::launch::service::{Ready, Spec, Stops};
use crate::launch::settings::{Plan, Settings};
use crate::launch::supervisor::Supervisor;
use crate::launch::{self, socket_option};
use crate::view::paint::Tone;
use crate::view::terminal::{Terminal, print_line};
use container::Container;
use event::ScopeRule;
use received::Balance;
use replayed::Recording;

/// Image name of the container that is none.
const IMAGE: &str = "demo";
/// Time for the events to arrive after the workload has ended: a status every second, a batch every second, and a
/// generous rest for slow machines.
const ARRIVE_WITHIN: Duration = Duration::from_secs(30);
/// Time between two looks at the intake's file.
const LOOK: Duration = Duration::from_millis(50);
/// Time for the last live lines after the events have arrived at the intake.
const SHOW_WITHIN: Duration = Duration::from_secs(2);

/// Everything that is there before the services start.
struct Stage {
    container: Container,
    dir: RunDir,
    users: Identities,
    terminal: Terminal,
    voices: Terminal,
    is_json: bool,
    stays: bool,
    /// Whether every event has arrived.
    has_succeeded: bool,
}

/// Runs the demo.
pub(crate) async fn run(args: DemoArgs, global: Global) -> Result<(), Failure> {
    require_root("shrike demo")?;
    let users = Identities::choose(args.place.user.as_deref())?;
    let stays = args.stay || (args.stay_if_terminal && std::io::stdin().is_terminal());
    let mut stage = Stage {
        container: Container::create()?,
        dir: RunDir::prepare(&args.place.run_dir, &users, IfTaken::UsePrivate)?,
        users,
        terminal: Terminal::stdout(global.color),
        voices: Terminal::stderr(global.color),
        is_json: args.json,
        stays,
        has_succeeded: false,
    };
    let mut supervisor = Supervisor::new();
    let ended = tokio::select! {
        ended = stage.play(&mut supervisor) => ended,
        signal = bootstrap::shutdown::requested() => {
            signal.map_err(Failure::system("wait for Ctrl-C"))?;
            // Ctrl-C is how a demo that stays up is meant to end; before that it was interrupted.
            if stage.has_succeeded { Ok(()) } else { Err(Failure::Passed(130)) }
        }
    };
    supervisor.stop().await;
    ended
}

impl Stage {
    async fn play(&mut self, supervisor: &mut Supervisor) -> Result<(), Failure> {
        let home = self.dir.subdirectory("demo", self.users.workload)?;
        let intake_file = self.dir.subdirectory("intake", self.users.intake)?.join("events.jsonl");

        let spinner = progress("starting the services");
        let intake = self.start_intake(&intake_file, supervisor).await?;
        let plan =
            Plan::generate(&self.settings(intake)?, &self.dir, &self.users, self.voices.paint)?.quiet();
        launch::start(&plan, supervisor).await?;
        let recording = Recording::start(&plan.analyzer_socket).await?;
        spinner.finish_and_clear();

        let shown = if self.is_json { None } else { Some(self.show_live(&plan.analyzer_socket).await?) };
        self.container.run_workload(&home, self.users.workload).await?;

        let spinner = progress("waiting for the intake");
        let balance = tokio::select! {
            balance = arrival(&plan.analyzer_socket, &intake_file) => balance?,
            failure = supervisor.failure() => return Err(failure),
        };
        spinner.finish_and_clear();
        self.finish(&balance, &intake_file, shown).await?;
        self.check_replay(recording, &balance, &intake_file).await?;
        self.has_succeeded = true;
        if self.stays {
            self.invite(&plan.analyzer_socket)?;
            return Err(supervisor.failure().await);
        }
        Ok(())
    }

    /// Starts the local intake and gives its URL.
    async fn start_intake(&self, file: &Path, supervisor: &mut Supervisor) -> Result<String, Failure> {
        let port_file = file.with_file_name("port");
        supervisor
            .start(Spec {
                voice: Voice { name: "intake", tone: Tone::Fork, paint: self.voices.paint },
                stops: Stops::Last,
                program: programs::find("mock-intake")?,
                args: vec!["--print-port-to".into(), (&port_file).into(), "--out".into(), file.into()],
                identity: Some(self.users.intake),
                groups_of: None,
                has_network: true,
                environment: Vec::new(),
                owns_stdout: false,
                log_level: "warn",
                ready: Ready::File(port_file.clone()),
                ready_within: Duration::from_secs(10),
                grace: Duration::from_secs(5),
                next: "is there a loopback interface? `ip link show lo` must say UP",
            })
            .await?;
        let port = std::fs::read_to_string(&port_file).map_err(Failure::file("read", &port_file))?;
        Ok(format!("http://127.0.0.1:{}", port.trim()))
    }

    fn settings(&self, intake: String) -> Result<Settings, Failure> {
        // The local intake takes any key, and the reporter insists on having one.
        let key = tempfile::NamedTempFile::new().map_err(Failure::system("create a temporary file"))?;
        std::fs::write(key.path(), "demo").map_err(Failure::file("write", key.path()))?;
        let entry = serde_json::json!({
            "id": self.container.id(), "name": "shrike-demo", "image": format!("{IMAGE}:1.0"),
        });
        let tags = serde_json::json!({ "container": [entry] });
        let tags = toml::to_string(&tags).map_err(|error| Failure::Config {
            path: self.dir.path().join("tags.toml"),
            message: format!("cannot be written as TOML: {error}"),
        })?;
        Ok(Settings {
            scope: ScopeRule::Cgroup(self.container.scope().to_owned()),
            output: Output::Intake(intake),
            api_key: Some(self.dir.copy_secret(key.path(), self.users.reporter)?),
            static_tags: Some(self.dir.write("tags.toml", &tags)?),
            in_a_hurry: true,
        })
    }

    /// Prints events as they happen; the number of those printed so far can be watched.
    async fn show_live(&self, socket: &Path) -> Result<watch::Receiver<i128>, Failure> {
        let mut client = api::connect(socket).await?;
        let request = SubscribeRequest::default();
        let stream = api::answer(socket, client.subscribe(request)).await?;
        let mut printer = Printer::new(self.terminal, &SelectArgs::default());
        printer.header()?;
        let (count, shown) = watch::channel(0);
        tokio::spawn(show(stream, printer, count));
        Ok(shown)
    }

    /// Says how it went; an error when events are missing.
    async fn finish(
        &self,
        balance: &Balance,
        intake_file: &Path,
        shown: Option<watch::Receiver<i128>>,
    ) -> Result<(), Failure> {
        if self.is_json {
            let file = read(intake_file)?;
            received::messages(&file).try_for_each(|message| print_line(&message))?;
        }
        if let Some(mut shown) = shown {
            // Only so that the summary comes after the last event; a slow terminal may lack some.
            let all = balance.received_total();
            let last = tokio::time::timeout(SHOW_WITHIN, shown.wait_for(|n| *n >= all)).await;
            drop(last);
            let table = balance.table(self.terminal.paint);
            let tone = if balance.is_settled() { Tone::Good } else { Tone::Bad };
            let verdict = self.terminal.paint.apply(tone, &balance.verdict());
            print_line(&format!("\n{table}\n\n{verdict}"))?;
        }
        let next = "`shrike status` shows where they are; please report this with the output above";
        if !balance.is_settled() {
            return Err(Failure::Demo { reason: balance.verdict(), next });
        }
        if !balance.has_every_kind() {
            let reason = "not every kind of event was seen".to_owned();
            return Err(Failure::Demo {
                reason,
                next: "`sudo shrike doctor` says which hooks this kernel allows",
            });
        }
        Ok(())
    }

    /// Replays what was recorded meanwhile, and compares with what the intake has.
    async fn check_replay(
        &self,
        recording: Recording,
        balance: &Balance,
        intake_file: &Path,
    ) -> Result<(), Failure> {
        let replayed = recording.replay(balance.received_total()).await?;
        let same = replayed::compare(&replayed, received::messages(&read(intake_file)?))?;
        if !self.is_json {
            print_line(&format!("A replay of the recording gives the same {same} events, byte for byte."))?;
        }
        Ok(())
    }

    fn invite(&self, socket: &Path) -> Result<(), Failure> {
        let procs = self.container.directory().join("cgroup.procs");
        let at = socket_option(socket);
        print_line(&format!(
            "\nShrike stays up until Ctrl-C and shows what happens in the container. Join it from another terminal:\n  \
             sudo sh -c 'echo $$ > {procs} && exec bash'\nLook further: shrike status{at}, shrike events{at} --type exec\n",
            procs = procs.display(),
        ))
    }
}

async fn show(mut stream: Streaming<EventMessage>, mut printer: Printer, count: watch::Sender<i128>) {
    // The stream ends with the analyzer, at the end of the demo or with a failure that is told elsewhere.
    while let Some(Ok(message)) = stream.next().await {
        if printer.event(&message).is_err() {
            return;
        }
        count.send_modify(|n| *n += 1);
    }
}

/// Waits until the intake has everything, at most for a bounded time; gives the last balance.
async fn arrival(socket: &Path, intake_file: &Path) -> Result<Balance, Failure> {
    let mut client = api::connect(socket).await?;
    let mut look = tokio::time::interval(LOOK);
    let deadline = tokio::time::Instant::now() + ARRIVE_WITHIN;
    loop {
        look.tick().await;
        let received = received::count(&read(intake_file)?, IMAGE);
        let status = api::status(&mut client, socket).await?;
        let balance = Balance::of(&status.probe.unwrap_or_default(), &received);
        if balance.is_settled() || tokio::time::Instant::now() > deadline {
            return Ok(balance);
        }
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        other => other.map_err(Failure::file("read", path)),
    }
}

fn progress(what: &'static str) -> ProgressBar {
    // Drawn on standard error, and not at all when that is no terminal.
    let spinner = ProgressBar::new_spinner();
    spinner.set_message(what);
    spinner.enable_steady_tick(Duration::from_millis(120));
    spinner
}
