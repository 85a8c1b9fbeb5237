//! `shrike run`: the three services on this machine, from start to end.
//!
//! This module decides the order; `service` handles one process, `settings` what each is told, `run_dir` where.

mod backoff;
pub(crate) mod identity;
pub(crate) mod logs;
pub(crate) mod output;
pub(crate) mod programs;
pub(crate) mod run_dir;
pub(crate) mod service;
pub(crate) mod settings;
pub(crate) mod supervisor;

use std::path::Path;
use std::time::Duration;

use wire::v1::AnalyzerStatus;

use crate::api;
use crate::args::{Global, RunArgs};
use crate::failure::Failure;
use crate::view::paint::Tone;
use crate::view::terminal::{Terminal, note};
use identity::{Identities, Identity};
use output::Output;
use run_dir::{IfTaken, RunDir};
use settings::{Plan, Settings};
use supervisor::Supervisor;

/// Time for the analyzer to find the probe and the reporter, which are ready by then.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// Time between two looks at it.
const LOOK: Duration = Duration::from_millis(20);

/// Runs until Ctrl-C, SIGTERM or a failure that cannot be repaired.
pub(crate) async fn run(args: RunArgs, global: Global) -> Result<(), Failure> {
    if matches!(args.output, Output::Intake(_)) && args.api_key_file.is_none() {
        return Err(Failure::MissingApiKey);
    }
    identity::require_root("shrike run")?;
    let mut users = Identities::choose(args.place.user.as_deref())?;
    if let (Some(config_dir), None) = (&args.config_dir, &args.place.user) {
        // The probe lets in whom its configuration names.
        if let Some(uid) = settings::analyzer_uid(config_dir)? {
            users = users.with_analyzer(uid)?;
        }
    }
    let dir = RunDir::prepare(&args.place.run_dir, &users, IfTaken::Refuse)?;
    let terminal = Terminal::stderr(global.color);
    if dir.is_private() {
        let (wanted, used) = (args.place.run_dir.display(), dir.path().display());
        note(&format!("{wanted} cannot be used (not writable, or writable by others): using {used}"));
    }
    let plan = match &args.config_dir {
        Some(config_dir) => Plan::of_config_dir(config_dir, &users, terminal.paint)?,
        None => {
            if let Output::File(path) = &args.output {
                prepare_output(path, &dir, users.reporter)?;
            }
            let api_key =
                args.api_key_file.as_deref().map(|key| dir.copy_secret(key, users.reporter)).transpose()?;
            let settings = Settings {
                scope: args.scope.clone(),
                output: args.output.clone(),
                api_key,
                static_tags: None,
                in_a_hurry: false,
            };
            Plan::generate(&settings, &dir, &users, terminal.paint)?
        }
    };
    let plan = plan.with_groups_of(args.place.user.as_deref());
    let mut supervisor = Supervisor::new();
    let running = async {
        let status = start(&plan, &mut supervisor).await?;
        let scope = status.probe.map(|probe| probe.scope).unwrap_or_default();
        note(&terminal.paint.apply(Tone::Good, &format!("Shrike is up, scope {scope}; Ctrl-C stops it.")));
        let at = socket_option(&plan.analyzer_socket);
        note(&format!("In another terminal: shrike events{at}, shrike status{at}"));
        Err(supervisor.failure().await)
    };
    let ended = tokio::select! {
        ended = running => ended,
        signal = bootstrap::shutdown::requested() => signal.map(drop).map_err(Failure::system("wait for Ctrl-C")),
    };
    note("stopping: the probe first, then what it saw is handed on and sent");
    supervisor.stop().await;
    ended
}

/// What to add to a command so that it finds this analyzer.
pub(crate) fn socket_option(socket: &Path) -> String {
    if socket == Path::new("/run/shrike/analyzer.sock") {
        return String::new();
    }
    format!(" --socket {}", socket.display())
}

/// Starts all services of `plan` and waits until events can flow from the probe to the reporter.
pub(crate) async fn start(plan: &Plan, supervisor: &mut Supervisor) -> Result<AnalyzerStatus, Failure> {
    for spec in &plan.services {
        supervisor.start(spec.clone()).await?;
    }
    let socket = &plan.analyzer_socket;
    let mut client = api::connect(socket).await?;
    let mut last = AnalyzerStatus::default();
    let connected = async {
        let mut look = tokio::time::interval(LOOK);
        loop {
            look.tick().await;
            last = api::status(&mut client, socket).await?;
            if last.probe_connected && last.reporter_connected && last.probe.is_some() {
                return Ok::<_, Failure>(());
            }
        }
    };
    match tokio::time::timeout(CONNECT_WITHIN, connected).await {
        Ok(result) => result.map(|()| last),
        Err(_elapsed) => {
            let (other, error) = if last.probe_connected && last.probe.is_some() {
                ("reporter", &last.reporter_error)
            } else {
                ("probe", &last.probe_error)
            };
            Err(Failure::ServiceStart {
                service: "analyzer",
                reason: format!("it does not reach the {other}: {error}"),
                next: "please report this together with them",
            })
        }
    }
}

/// Makes the directory of an output file, owned by the reporter's user, unless it is there already.
fn prepare_output(path: &Path, dir: &RunDir, reporter: Identity) -> Result<(), Failure> {
    let Some(parent) = path.parent().filter(|parent| !parent.exists()) else { return Ok(()) };
    std::fs::create_dir_all(parent).map_err(Failure::file("create", parent))?;
    dir.give(parent, reporter)
}
