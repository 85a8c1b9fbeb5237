//! What the local intake received, and whether that is everything.
//!
//! Pure: it is given the intake's lines and the probe's counters.

use std::collections::HashMap;

use event::{Kind, PerKind};
use serde_json::Value;
use serde_json::value::RawValue;
use wire::v1::ProbeStatus;

use crate::view::paint::{Paint, Tone};
use crate::view::status::{Counts, by_kind, columns, total};
use crate::view::text::{column, grouped};

/// `comm` of the first process of the workload: the name of its script.
const WORKLOAD: &str = "workload.sh";

/// What the workload does, whatever else a workload could do.
const DOES: [Kind; 4] = [Kind::Exec, Kind::Fork, Kind::Exit, Kind::Open];

/// The events in the intake's file.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Received {
    /// How many of each kind.
    pub(crate) by_kind: Counts,
    /// Whether the end of the first process of the workload is among them. Nothing of the workload comes later.
    pub(crate) has_end: bool,
    /// Documents that are no events of these kinds.
    pub(crate) others: u64,
    /// Events of the container that carry its image name.
    pub(crate) labelled: i128,
}

/// The message of each complete line of the intake's file, as it was sent.
pub(crate) fn messages(file: &str) -> impl Iterator<Item = String> {
    // The last line may still be on its way.
    let complete = file.rfind('\n').and_then(|end| file.get(..end)).unwrap_or_default();
    complete.lines().filter_map(|line| {
        let entry: HashMap<String, Box<RawValue>> = serde_json::from_str(line).ok()?;
        entry.get("message").map(|message| message.get().to_owned())
    })
}

/// Counts the messages of the intake's file.
pub(crate) fn count(file: &str, image: &str) -> Received {
    let mut received = Received::default();
    let mut first_pid = None;
    let mut ended = Vec::new();
    for message in messages(file) {
        let Ok(event) = serde_json::from_str::<Value>(&message) else {
            received.others += 1;
            continue;
        };
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let kind = text("/evt/name");
        let Some(known) = Kind::from_name(kind) else {
            received.others += 1;
            continue;
        };
        *received.by_kind.get_mut(known) += 1;
        let pid = event.pointer("/process/pid").and_then(Value::as_u64);
        if known == Kind::Exec && text("/process/comm") == WORKLOAD {
            first_pid = pid;
        } else if known == Kind::Exit {
            ended.push(pid);
        }
    }
    received.has_end = first_pid.is_some() && ended.contains(&first_pid);
    received.labelled = labelled(file, image);
    received
}

fn labelled(file: &str, image: &str) -> i128 {
    let wanted = format!("image_name:{image}");
    let has_tag = |line: &&str| {
        let entry: Option<Value> = serde_json::from_str(line).ok();
        let tags =
            entry.as_ref().and_then(|entry| entry.get("ddtags")).and_then(Value::as_str).unwrap_or_default();
        tags.split(',').any(|tag| tag == wanted)
    };
    i128::try_from(file.lines().filter(has_tag).count()).unwrap_or(i128::MAX)
}

/// What became of the events of each kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Balance {
    generated: Counts,
    delivered: Counts,
    suppressed: Counts,
    lost: Counts,
    received: Counts,
    labelled: i128,
    has_end: bool,
}

impl Balance {
    /// The probe's side and the intake's side.
    pub(crate) fn of(probe: &ProbeStatus, received: &Received) -> Self {
        let mut lost = Counts::default();
        for counts in probe.lost.iter().map(|loss| by_kind(loss.counts.as_ref())) {
            lost = PerKind::from_fn(|kind| lost.get(kind) + counts.get(kind));
        }
        Self {
            generated: by_kind(probe.generated.as_ref()),
            delivered: by_kind(probe.delivered.as_ref()),
            suppressed: by_kind(probe.suppressed.as_ref()),
            lost,
            received: received.by_kind,
            labelled: received.labelled,
            has_end: received.has_end,
        }
    }

    /// Whether every event is accounted for: `generated = delivered + suppressed + lost`, and what was delivered
    /// is at the intake.
    pub(crate) fn is_settled(&self) -> bool {
        let sum = |kind: Kind| {
            self.generated.get(kind)
                == self.delivered.get(kind) + self.suppressed.get(kind) + self.lost.get(kind)
        };
        self.has_end && Kind::ALL.into_iter().all(sum) && self.received == self.delivered
    }

    /// Whether there is at least one event of each kind that the workload does.
    pub(crate) fn has_every_kind(&self) -> bool {
        DOES.into_iter().all(|kind| self.received.get(kind) > 0)
    }

    /// Events at the intake.
    pub(crate) fn received_total(&self) -> i128 {
        total(self.received)
    }

    /// The table, one row per stage.
    pub(crate) fn table(&self, paint: Paint) -> String {
        let lost = if total(self.lost) > 0 { Tone::Bad } else { Tone::Good };
        let arrived = if self.received == self.delivered { Tone::Good } else { Tone::Bad };
        let rows = [
            ("happened", &self.generated, Tone::Plain),
            ("suppressed", &self.suppressed, Tone::Dim),
            ("lost", &self.lost, lost),
            ("at the intake", &self.received, arrived),
        ];
        let kinds = columns(rows.iter().map(|(_, counts, _)| *counts));
        let titles = kinds.iter().map(|kind| kind.name()).chain(["total"]);
        let head: String = titles.map(|title| format!("{title:>8}")).collect();
        let mut lines = vec![paint.apply(Tone::Dim, &format!("{}{head}", column("", 14)))];
        for (name, counts, tone) in rows {
            let counts = kinds.iter().map(|kind| counts.get(*kind)).chain([total(*counts)]);
            let cells: String = counts.map(|n| format!("{:>8}", grouped(n))).collect();
            lines.push(paint.apply(tone, &format!("{}{cells}", column(name, 14))));
        }
        lines.join("\n")
    }

    /// One sentence on the outcome.
    pub(crate) fn verdict(&self) -> String {
        let [generated, received, lost]: [i128; 3] = [self.generated, self.received, self.lost].map(total);
        if self.is_settled() && lost == 0 {
            format!(
                "All {} events that happened in the container are at the intake, {} of them with its image name.",
                grouped(received),
                grouped(self.labelled)
            )
        } else if self.is_settled() {
            format!(
                "{} events are at the intake; {} were lost and counted.",
                grouped(received),
                grouped(lost)
            )
        } else {
            format!("{} of {} events are at the intake.", grouped(received), grouped(generated))
        }
    }
}

#[cfg(test)]
mod tests {
    use wire::v1::Loss;

    use super::*;

    fn line(name: &str, pid: u32, comm: &str) -> String {
        format!(
            "{{\"ddtags\":\"a:b,image_name:demo\",\"message\":{{\"evt\":{{\"name\":\"{name}\"}},\"process\":{{\"pid\":{pid},\"comm\":\"{comm}\"}}}}}}\n"
        )
    }

    fn example() -> String {
        [
            line("exec", 7, "workload.sh"),
            line("fork", 8, "workload.sh"),
            line("exec", 8, "cat"),
            line("open", 8, "cat"),
            line("exit", 8, "cat"),
            line("exit", 7, "workload.sh"),
        ]
        .concat()
    }

    fn counts<T: Default>(exec: T, fork: T, exit: T, open: T) -> PerKind<T> {
        PerKind::from([(Kind::Exec, exec), (Kind::Fork, fork), (Kind::Exit, exit), (Kind::Open, open)])
    }

    fn probe(exec: u64, open: u64) -> ProbeStatus {
        let counts = || Some(counts(exec, 1, 2, open).into());
        ProbeStatus { generated: counts(), delivered: counts(), ..ProbeStatus::default() }
    }

    #[test]
    fn the_demo_has_succeeded_when_the_intake_has_exactly_what_the_probe_delivered() {
        let received = count(&example(), "demo");
        assert_eq!(received.by_kind, counts(2, 1, 2, 1));
        assert_eq!(received.labelled, 6);
        assert!(Balance::of(&probe(2, 1), &received).is_settled());
        assert!(!Balance::of(&probe(2, 2), &received).is_settled());
        assert!(!Balance::of(&probe(3, 1), &received).is_settled());
    }

    #[test]
    fn counted_loss_explains_a_difference_and_uncounted_loss_does_not() {
        let received = count(&example(), "demo");
        let mut probe = probe(2, 1);
        probe.generated = Some(counts(2, 1, 2, 5).into());
        assert!(!Balance::of(&probe, &received).is_settled());
        let counts = Some(PerKind::from([(Kind::Open, 4)]).into());
        probe.lost = vec![Loss { cause: "ring_full".into(), counts }];
        let balance = Balance::of(&probe, &received);
        assert!(balance.is_settled());
        assert_eq!(balance.verdict(), "6 events are at the intake; 4 were lost and counted.");
    }

    #[test]
    fn before_the_end_of_the_workload_nothing_is_settled() {
        let file = example();
        let (without_end, _end) = file.trim_end().rsplit_once('\n').unwrap();
        let without_end = &format!("{without_end}\n");
        let mut probe = probe(2, 1);
        probe.generated = Some(counts(2, 1, 1, 1).into());
        probe.delivered = probe.generated.clone();
        assert!(!Balance::of(&probe, &count(without_end, "demo")).is_settled());
    }

    #[test]
    fn a_line_that_is_still_being_written_is_not_counted_and_damage_is_survived() {
        let file =
            format!("{}not json\n{{\"ddtags\":\"\"}}\n{}", line("exec", 1, "x"), line("open", 1, "x").trim());
        assert_eq!(count(&file, "demo").by_kind, counts(1, 0, 0, 0));
        assert_eq!(messages(&file).count(), 1);
    }

    #[test]
    fn the_table_shows_every_stage_per_kind() {
        let text = Balance::of(&probe(2, 1), &count(&example(), "demo")).table(Paint::new(false));
        let expected = "                  exec    fork    exit    open   total\n\
                        happened             2       1       2       1       6\n\
                        suppressed           0       0       0       0       0\n\
                        lost                 0       0       0       0       0\n\
                        at the intake        2       1       2       1       6";
        assert_eq!(text, expected);
    }
}
