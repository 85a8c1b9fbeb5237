//! Whether a replay of what the demo recorded gives what the intake has, byte for byte.

use std::collections::HashMap;
use std::io::BufWriter;
use std::path::Path;
use std::time::Duration;

use capture::Writer;
use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_stream::StreamExt;
use wire::v1::RecordRequest;
use wire::v1::from_probe::Message;

use crate::api;
use crate::failure::Failure;
use crate::launch::programs;

/// Time for the recording to begin, and to have its last event.
const WITHIN: Duration = Duration::from_secs(10);

/// A recording that goes on.
pub(crate) struct Recording {
    task: JoinHandle<Result<NamedTempFile, Failure>>,
    events: watch::Receiver<i128>,
    stop: watch::Sender<bool>,
}

impl Recording {
    /// Records from here on.
    pub(crate) async fn start(socket: &Path) -> Result<Self, Failure> {
        let mut client = api::connect(socket).await?;
        let mut stream = api::answer(socket, client.record(RecordRequest {})).await?;
        let first = tokio::time::timeout(WITHIN, stream.next()).await.ok().flatten();
        let Some(Ok(Some(Message::Hello(hello)))) = first.map(|first| first.map(|first| first.message))
        else {
            return Err(failed("the recording did not begin"));
        };
        let file = NamedTempFile::new().map_err(Failure::system("create a temporary file"))?;
        let path = file.path().to_owned();
        let wrong = move |source| Failure::Capture { path: path.clone(), source };
        let mut writer = Writer::new(BufWriter::new(file), &hello).map_err(&wrong)?;
        let (count, events) = watch::channel(0);
        let (stop, mut stopped) = watch::channel(false);
        let task = tokio::spawn(async move {
            loop {
                let message = tokio::select! {
                    biased;
                    message = stream.next() => message,
                    _ = stopped.changed() => None,
                };
                match message {
                    Some(Ok(message)) => {
                        let Some(message) = message.message else { continue };
                        if let Message::Batch(bytes) = &message
                            && let Ok(batch) = wire::batch::parse(bytes.clone())
                        {
                            let more = i128::from(wire::batch::kinds(&batch).total());
                            count.send_modify(|events| *events += more);
                        }
                        writer.write(message).map_err(&wrong)?;
                    }
                    Some(Err(_)) => return Err(failed("the recording was cut off")),
                    None => break,
                }
            }
            let written = writer.finish().map_err(&wrong)?.into_inner();
            written.map_err(|error| Failure::system("write the recording")(error.into_error()))
        });
        Ok(Self { task, events, stop })
    }

    /// Ends the recording when it has this many events, and gives the documents of its replay.
    pub(crate) async fn replay(mut self, events: i128) -> Result<String, Failure> {
        // With fewer the comparison says what is missing.
        drop(tokio::time::timeout(WITHIN, self.events.wait_for(|recorded| *recorded >= events)).await);
        self.stop.send_replace(true);
        let file = self.task.await.map_err(|_panicked| failed("the recording ended"))??;
        let analyzer = programs::find("shrike-analyzer")?;
        let mut command = tokio::process::Command::new(&analyzer);
        command.arg("replay").arg(file.path()).arg("--json").stdin(std::process::Stdio::null());
        let output = command.output().await.map_err(|source| Failure::File {
            action: "start",
            path: analyzer,
            source,
        })?;
        if !output.status.success() {
            return Err(failed(&format!("the replay failed: {}", String::from_utf8_lossy(&output.stderr))));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// How many events were replayed to the same bytes; or what differs.
pub(crate) fn compare(replayed: &str, sent: impl Iterator<Item = String>) -> Result<usize, Failure> {
    let replayed: HashMap<Option<String>, &str> = replayed.lines().map(|line| (id(line), line)).collect();
    let mut same = HashMap::new();
    for document in sent.filter(|document| is_event(document)) {
        let id = id(&document);
        match replayed.get(&id) {
            Some(again) if *again == document => same.insert(id, ()),
            Some(again) => return Err(failed(&format!("replayed {again} and not {document}"))),
            None => return Err(failed(&format!("the replay does not have {document}"))),
        };
    }
    match replayed.iter().find(|(id, line)| is_event(line) && !same.contains_key(*id)) {
        Some((_, more)) => Err(failed(&format!("only the replay has {more}"))),
        None => Ok(same.len()),
    }
}

fn id(document: &str) -> Option<String> {
    let document: Value = serde_json::from_str(document).ok()?;
    document.pointer("/agent/event_id")?.as_str().map(str::to_owned)
}

/// What the system says of itself before the recording began is not in it.
fn is_event(document: &str) -> bool {
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    document.get("evt").is_some()
}

fn failed(reason: &str) -> Failure {
    Failure::Demo { reason: reason.to_owned(), next: "please report this with the output above" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(id: &str, name: &str) -> String {
        format!(r#"{{"agent":{{"event_id":"{id}"}},"evt":{{"name":"{name}"}}}}"#)
    }

    #[test]
    fn a_replay_must_have_every_event_that_was_sent_and_no_other_in_the_same_bytes() {
        let (one, two) = (document("1", "exec"), document("2", "open"));
        let custom = r#"{"agent":{"event_id":"0","rule_id":"not_observed"}}"#.to_owned();
        let compare = |replayed: &[&str], sent: &[&str]| {
            compare(&replayed.join("\n"), sent.iter().map(ToString::to_string)).ok()
        };
        assert_eq!(compare(&[&one, &two], &[&custom, &two, &one, &one]), Some(2));
        assert_eq!(compare(&[&one], &[&one, &two]), None);
        assert_eq!(compare(&[&one, &two], &[&one]), None);
        assert_eq!(compare(&[&document("1", "fork")], &[&one]), None);
        assert_eq!(compare(&[&one.replace(':', ": ")], &[&one]), None, "equal is not the same bytes");
    }
}
