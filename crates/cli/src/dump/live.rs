//! `shrike dump start`, `list` and `stop`: dumps that run.

use std::path::PathBuf;
use std::time::Duration;

use dump::{Format, Recorded};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use serde_json::json;
use tokio_stream::StreamExt as _;
use tonic::Streaming;
use tonic::transport::Channel;
use wire::v1;
use wire::v1::analyzer_client::AnalyzerClient;

use super::{files, show};
use crate::api;
use crate::args::{DumpListArgs, DumpStartArgs, DumpStopArgs, Global};
use crate::failure::Failure;
use crate::view::paint::{Paint, Tone};
use crate::view::terminal::{Terminal, note, print_line};
use crate::view::text::{column, fit, grouped, printable};

/// How often a dump that runs is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Starts a dump; unless detached, waits for its end and writes it.
pub(crate) async fn start(args: &DumpStartArgs, global: &Global) -> Result<(), Failure> {
    let forms: Vec<(Format, bool)> =
        args.output.iter().map(|path| files::form(path)).collect::<Result<_, _>>()?;
    if !args.force
        && let Some(path) = args.output.iter().find(|path| path.symlink_metadata().is_ok())
    {
        return Err(Failure::FileExists { path: path.clone() });
    }
    let mut client = api::connect(&global.socket).await?;
    // Before the dump, so that its end cannot be missed.
    let finished = match args.detach {
        true => None,
        false => {
            let call = client.get_activity_dump_stream(v1::ActivityDumpStreamParams {});
            Some(api::answer(&global.socket, call).await?)
        }
    };
    let message = api::answer(&global.socket, client.dump_activity(params(args))).await?;
    let message = accepted(message)?;
    let name = message.metadata.unwrap_or_default().name;
    let Some(finished) = finished else {
        print_line(&name)?;
        return Ok(());
    };
    let mut waiting = Waiting {
        client,
        socket: global.socket.clone(),
        name: name.clone(),
        bar: progress(),
        is_stopped: false,
    };
    let dump = waiting.until_finished(finished).await;
    waiting.bar.finish_and_clear();
    let dump = dump?;
    if dump.tree.is_empty() {
        return Err(Failure::EmptyDump { name });
    }
    let terminal = Terminal::stderr(global.color);
    show::head(&dump, terminal.paint, None).iter().for_each(|line| note(line));
    let default = PathBuf::from(format!("{name}.profile"));
    let outputs = if args.output.is_empty() {
        vec![(&default, (Format::Profile, false))]
    } else {
        args.output.iter().zip(forms).collect()
    };
    for (path, form) in outputs {
        files::write(path, Recorded::Dump(Box::new(dump.clone())), form, args.force)?;
    }
    Ok(())
}

fn params(args: &DumpStartArgs) -> v1::ActivityDumpParams {
    let formats: Vec<String> = args.formats.iter().map(|format| format.name().to_owned()).collect();
    let storage = (!formats.is_empty()).then(|| v1::StorageRequestParams {
        local_storage_formats: formats,
        ..v1::StorageRequestParams::default()
    });
    v1::ActivityDumpParams {
        timeout: args
            .timeout
            .map(|timeout| humantime::format_duration(timeout).to_string())
            .unwrap_or_default(),
        differentiate_args: args.differentiate_args,
        storage,
        container_id: args.workload.container.clone().unwrap_or_default(),
        cgroup_id: args.workload.cgroup.clone().unwrap_or_default(),
    }
}

fn accepted(message: v1::ActivityDumpMessage) -> Result<v1::ActivityDumpMessage, Failure> {
    if message.error.is_empty() { Ok(message) } else { Err(Failure::DumpRefused { message: message.error }) }
}

/// Somebody who waits for a dump.
struct Waiting {
    client: AnalyzerClient<Channel>,
    socket: PathBuf,
    name: String,
    bar: ProgressBar,
    is_stopped: bool,
}

impl Waiting {
    async fn until_finished(
        &mut self,
        mut finished: Streaming<v1::ActivityDumpStreamMessage>,
    ) -> Result<activity_tree::Dump, Failure> {
        let mut look = tokio::time::interval(LOOK);
        let stop = bootstrap::shutdown::requested();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                message = finished.next() => match message {
                    Some(Ok(message)) if message.name == self.name => return self.read(&message.data),
                    Some(Ok(message)) if message.missed > 0 => {
                        note("the analyzer had to leave out finished dumps for us: if this one is among them, it is in its directory");
                    }
                    Some(Ok(_of_others)) => {}
                    Some(Err(status)) => return Err(api::refused(&self.socket, &status)),
                    None => {
                        let message = "the dump ends as partial, in the directory of the analyzer".to_owned();
                        return Err(Failure::WentAway { socket: self.socket.clone(), message });
                    }
                },
                signal = &mut stop, if !self.is_stopped => {
                    signal.map_err(Failure::system("wait for Ctrl-C"))?;
                    self.is_stopped = true;
                    let params = v1::ActivityDumpStopParams { name: self.name.clone(), ..v1::ActivityDumpStopParams::default() };
                    // One that ended just now is on its way.
                    api::answer(&self.socket, self.client.stop_activity_dump(params)).await?;
                }
                _ = look.tick() => self.look().await?,
            }
        }
    }

    fn read(&self, data: &[u8]) -> Result<activity_tree::Dump, Failure> {
        let path = PathBuf::from(format!("{}.protobuf", self.name));
        let read = dump::read(&path, data).map_err(|source| Failure::Dump { path, source })?;
        Ok(read.into_dump())
    }

    /// Shows how far it is.
    async fn look(&mut self) -> Result<(), Failure> {
        let call = self.client.list_activity_dumps(v1::ActivityDumpListParams {});
        let list = api::answer(&self.socket, call).await?.dumps;
        let found = list
            .iter()
            .find(|dump| dump.metadata.as_ref().is_some_and(|metadata| metadata.name == self.name));
        self.bar.set_message(match found {
            None => "ended, waiting for the names of its image".to_owned(),
            Some(dump) => told(dump),
        });
        Ok(())
    }
}

/// How far a dump is, in a line.
fn told(dump: &v1::ActivityDumpMessage) -> String {
    if !dump.is_seen {
        return "nothing of the workload was seen yet".to_owned();
    }
    let stats = dump.stats.unwrap_or_default();
    let size = HumanBytes(u64::try_from(stats.approximate_size).unwrap_or(0));
    let mut text = format!(
        "{} processes, {} files, {} sockets, {size}",
        grouped(stats.process_nodes_count.into()),
        grouped(stats.file_nodes_count.into()),
        grouped(stats.socket_nodes_count.into()),
    );
    if dump.missed_events > 0 {
        text.push_str(&format!(", {} events missed", grouped(dump.missed_events.into())));
    }
    if dump.status == 2 {
        text.push_str(", full");
    }
    text
}

fn progress() -> ProgressBar {
    // Drawn on standard error, and not at all when that is no terminal.
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// Lists the dumps that run.
pub(crate) async fn list(args: &DumpListArgs, global: &Global) -> Result<(), Failure> {
    let mut client = api::connect(&global.socket).await?;
    let call = client.list_activity_dumps(v1::ActivityDumpListParams {});
    let dumps = api::answer(&global.socket, call).await?.dumps;
    if args.json {
        return dumps.iter().try_for_each(|dump| print_line(&as_json(dump).to_string()));
    }
    if dumps.is_empty() {
        note("no dump runs: start one with `shrike dump start --container NAME`");
        return Ok(());
    }
    let terminal = Terminal::stdout(global.color);
    lines(&dumps, terminal.paint, terminal.columns).iter().try_for_each(|line| print_line(line))
}

fn lines(dumps: &[v1::ActivityDumpMessage], paint: Paint, columns: Option<usize>) -> Vec<String> {
    let title =
        format!("{} {} {} {}", column("name", 24), column("workload", 20), column("state", 8), "holds");
    let mut lines = vec![paint.apply(Tone::Strong, &title)];
    for dump in dumps {
        let metadata = dump.metadata.clone().unwrap_or_default();
        let named = dump.tags.iter().find_map(|tag| tag.strip_prefix("container_name:"));
        let id: String = metadata.container_id.chars().take(12).collect();
        let workload =
            named.map(str::to_owned).unwrap_or(if id.is_empty() { metadata.cgroup_id } else { id });
        let (state, tone) = match (dump.is_seen, dump.status) {
            (false, _) => ("waits", Tone::Warn),
            (true, 2) => ("full", Tone::Warn),
            (true, 3) => ("runs", Tone::Good),
            (true, _) => ("ends", Tone::Dim),
        };
        let state = paint.apply(tone, &column(state, 8));
        let line = format!(
            "{} {} {state} {}",
            column(&printable(&metadata.name), 24),
            column(&printable(&workload), 20),
            told(dump)
        );
        // Colours have no width of their own here: what is cut is at the end.
        lines.push(match columns {
            Some(columns) if !paint.is_on() => fit(&line, columns).into_owned(),
            Some(_) | None => line,
        });
    }
    lines
}

fn as_json(dump: &v1::ActivityDumpMessage) -> serde_json::Value {
    let metadata = dump.metadata.clone().unwrap_or_default();
    let stats = dump.stats.unwrap_or_default();
    json!({
        "name": metadata.name,
        "container_id": metadata.container_id,
        "cgroup_id": metadata.cgroup_id,
        "start": metadata.start,
        "timeout": metadata.timeout,
        "origin": dump.origin,
        "status": dump.status,
        "is_seen": dump.is_seen,
        "tags": dump.tags,
        "processes": stats.process_nodes_count,
        "files": stats.file_nodes_count,
        "sockets": stats.socket_nodes_count,
        "bytes": stats.approximate_size,
        "missed": dump.missed,
        "missed_events": dump.missed_events,
    })
}

/// Ends a dump.
pub(crate) async fn stop(args: &DumpStopArgs, global: &Global) -> Result<(), Failure> {
    let mut client = api::connect(&global.socket).await?;
    let params = v1::ActivityDumpStopParams {
        name: args.name.clone().unwrap_or_default(),
        container_id: args.container.clone().unwrap_or_default(),
        cgroup_id: args.cgroup.clone().unwrap_or_default(),
    };
    let answer = api::answer(&global.socket, client.stop_activity_dump(params)).await?;
    if answer.error.is_empty() {
        return Ok(());
    }
    Err(Failure::DumpRefused { message: answer.error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_what_runs_of_whom_and_what_was_missed() {
        let dump = |container: &str, is_seen, status| v1::ActivityDumpMessage {
            metadata: Some(v1::MetadataMessage {
                name: "activity-dump-abcdefghij".into(),
                container_id: container.into(),
                ..v1::MetadataMessage::default()
            }),
            stats: Some(v1::ActivityTreeStatsMessage {
                process_nodes_count: 2,
                approximate_size: 2048,
                ..Default::default()
            }),
            is_seen,
            status,
            missed_events: u64::from(is_seen),
            ..v1::ActivityDumpMessage::default()
        };
        let shown =
            lines(&[dump("0123456789abcdef", true, 3), dump("w\u{1b}", false, 3)], Paint::new(false), None);
        let expected = [
            "name                     workload             state    holds",
            "activity-dump-abcdefghij 0123456789ab         runs     2 processes, 0 files, 0 sockets, 2.00 KiB, 1 events missed",
            "activity-dump-abcdefghij w\\x1b                waits    nothing of the workload was seen yet",
        ];
        assert_eq!(shown, expected);
        let narrow = lines(&[dump("0123456789abcdef", true, 3)], Paint::new(false), Some(80));
        assert!(narrow.iter().all(|line| crate::view::text::width(line) <= 80));
    }
}
