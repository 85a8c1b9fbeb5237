//! The table of every kind, from the kernel to the output, and the verdict above it.
//!
//! Pure: counters in, lines out.

use wire::v1::{KindCounts, LostByWorkload, ProbeStatus};

use super::super::paint::{Paint, Tone};
use super::super::text::{column, fit, grouped, printable, width};

/// The kinds, in the order of every table.
pub(crate) const KINDS: [&str; 4] = ["exec", "fork", "exit", "open"];

/// Columns for the name of a workload.
const WORKLOAD_COLUMNS: usize = 24;

/// The counts as numbers that can be subtracted.
pub(crate) fn by_kind(counts: Option<&KindCounts>) -> [i128; 4] {
    counts.map_or([0; 4], |counts| [counts.exec, counts.fork, counts.exit, counts.open].map(i128::from))
}

/// One row.
struct Row {
    name: String,
    counts: [i128; 4],
    tone: Tone,
}

/// What became of every event.
pub(super) struct Table {
    generated: [i128; 4],
    /// Causes for which something was lost first; the others have zeros.
    lost: Vec<(String, [i128; 4])>,
    /// Neither settled nor lost.
    pub(super) in_flight: [i128; 4],
    delivered: [i128; 4],
    no_taker: [i128; 4],
    suppressed: [i128; 4],
}

impl Table {
    pub(super) fn of(probe: &ProbeStatus) -> Self {
        let generated = by_kind(probe.generated.as_ref());
        let delivered = by_kind(probe.delivered.as_ref());
        let no_taker = by_kind(probe.no_taker.as_ref());
        let suppressed = by_kind(probe.suppressed.as_ref());
        let lost: Vec<(String, [i128; 4])> = probe
            .lost
            .iter()
            .map(|loss| (printable(&loss.cause).into_owned(), by_kind(loss.counts.as_ref())))
            .collect();
        let settled =
            [delivered, no_taker, suppressed].into_iter().chain(lost.iter().map(|(_, counts)| *counts));
        let in_flight = settled.fold(generated, minus);
        Self { generated, lost, in_flight, delivered, no_taker, suppressed }
    }

    fn lost_total(&self) -> i128 {
        self.lost.iter().map(|(_, counts)| total(*counts)).sum()
    }

    /// One line: whether anything is missing, how much, why and whose.
    pub(super) fn verdict(&self, workloads: &[LostByWorkload], paint: Paint) -> String {
        let generated = grouped(total(self.generated));
        if self.in_flight.iter().any(|n| *n < 0) {
            let text = format!(
                "The counters disagree: more events are settled than {generated} that happened. Please report this."
            );
            return paint.apply(Tone::Bad, &text);
        }
        let on_their_way = match total(self.in_flight) {
            0 => String::new(),
            n => format!(", {} on their way", grouped(n)),
        };
        let lost = self.lost_total();
        if lost == 0 {
            let text = format!("{generated} events happened, none is lost{on_their_way}.");
            return paint.apply(Tone::Good, &text);
        }
        let mut causes: Vec<&(String, [i128; 4])> =
            self.lost.iter().filter(|(_, counts)| total(*counts) > 0).collect();
        causes.sort_by_key(|(_, counts)| std::cmp::Reverse(total(*counts)));
        let causes: Vec<String> =
            causes.iter().map(|(cause, counts)| format!("{} {cause}", grouped(total(*counts)))).collect();
        let whose =
            workloads.first().map_or_else(String::new, |most| format!(", most of them of {}", name_of(most)));
        let text = format!(
            "{generated} events happened, {} LOST ({}){whose}{on_their_way}.",
            grouped(lost),
            causes.join(", ")
        );
        paint.apply(Tone::Bad, &text)
    }

    /// The table. Causes for which nothing was lost are left out, unless `all` are wanted.
    pub(super) fn lines(&self, all: bool, paint: Paint) -> Vec<String> {
        let rows = self.rows(all);
        let cells: Vec<(Vec<String>, &Row)> = rows
            .iter()
            .map(|row| {
                let values = row.counts.iter().map(|n| grouped(*n)).chain([grouped(total(row.counts))]);
                (values.collect(), row)
            })
            .collect();
        let titles = KINDS.iter().copied().chain(["total"]);
        let widest =
            |at: usize| cells.iter().filter_map(|(values, _)| values.get(at)).map(|value| width(value)).max();
        let widths: Vec<usize> = titles
            .clone()
            .enumerate()
            .map(|(at, title)| widest(at).unwrap_or(0).max(title.len()).max(6))
            .collect();
        let first = rows.iter().map(|row| width(&row.name)).max().unwrap_or(0);
        let right = |text: &str, columns: usize| format!("{text:>columns$}");
        let head: Vec<String> = titles.zip(&widths).map(|(title, columns)| right(title, *columns)).collect();
        let mut lines =
            vec![paint.apply(Tone::Dim, &format!("  {}  {}", " ".repeat(first), head.join("  ")))];
        for (values, row) in cells {
            let values: Vec<String> =
                values.iter().zip(&widths).map(|(value, columns)| right(value, *columns)).collect();
            let text = format!("  {}  {}", column(&row.name, first), values.join("  "));
            lines.push(paint.apply(row.tone, &text));
        }
        lines
    }

    fn rows(&self, all: bool) -> Vec<Row> {
        let row = |name: &str, counts, tone| Row { name: name.to_owned(), counts, tone };
        let mut rows = vec![
            row("generated", self.generated, Tone::Plain),
            row("suppressed", self.suppressed, Tone::Plain),
        ];
        let mut has_lost = false;
        for (cause, counts) in &self.lost {
            let is_zero = total(*counts) == 0;
            has_lost |= !is_zero;
            if !is_zero || all {
                let tone = if is_zero { Tone::Good } else { Tone::Bad };
                rows.push(row(&format!("lost: {cause}"), *counts, tone));
            }
        }
        if !has_lost && !all {
            rows.push(row("lost", [0; 4], Tone::Good));
        }
        // A difference that does not settle is the one thing that must never happen; negative says counted twice.
        let tone = if self.in_flight.iter().any(|n| *n < 0) { Tone::Bad } else { Tone::Dim };
        rows.push(row("in flight", self.in_flight, tone));
        rows.push(row("judged, no taker", self.no_taker, Tone::Plain));
        rows.push(row("at the output", self.delivered, Tone::Plain));
        rows
    }
}

/// Who lost most, a line each.
pub(super) fn losers(workloads: &[LostByWorkload], paint: Paint) -> Vec<String> {
    let line = |workload: &LostByWorkload| {
        let causes: Vec<String> = workload
            .lost
            .iter()
            .map(|loss| (loss, by_kind(loss.counts.as_ref())))
            .filter(|(_, counts)| total(*counts) > 0)
            .map(|(loss, counts)| format!("{} {}", printable(&loss.cause), in_words(counts)))
            .collect();
        let name = name_of(workload);
        let text =
            format!("  {}  {}", column(&fit(&name, WORKLOAD_COLUMNS), WORKLOAD_COLUMNS), causes.join(", "));
        paint.apply(Tone::Bad, &text)
    };
    workloads.iter().map(line).collect()
}

/// `3 exec, 1 200 open`.
fn in_words(counts: [i128; 4]) -> String {
    let parts: Vec<String> = KINDS
        .iter()
        .zip(counts)
        .filter(|(_, n)| *n > 0)
        .map(|(kind, n)| format!("{} {kind}", grouped(n)))
        .collect();
    parts.join(" + ")
}

fn name_of(workload: &LostByWorkload) -> String {
    match (workload.workload.as_str(), workload.cgroup) {
        ("", 0) => "(not known whose)".to_owned(),
        ("", cgroup) => format!("cgroup {cgroup}"),
        (name, _) => printable(name).into_owned(),
    }
}

fn total(counts: [i128; 4]) -> i128 {
    counts.iter().sum()
}

fn minus(from: [i128; 4], what: [i128; 4]) -> [i128; 4] {
    let mut left = from;
    for (slot, n) in left.iter_mut().zip(what) {
        *slot -= n;
    }
    left
}
