//! The table of every kind, from the kernel to the output, and the verdict above it.
//!
//! Pure: counters in, lines out.

use event::{Kind, PerKind};
use wire::v1::{KindCounts, LostByWorkload, ProbeStatus};

use super::super::paint::{Paint, Tone};
use super::super::text::{column, fit, grouped, printable, width};

/// Columns for the name of a workload.
const WORKLOAD_COLUMNS: usize = 24;

/// A number for each kind, which can be below 0.
pub(crate) type Counts = PerKind<i128>;

/// The counts as numbers that can be subtracted.
pub(crate) fn by_kind(counts: Option<&KindCounts>) -> Counts {
    let counts = wire::status::per_kind(counts);
    PerKind::from_fn(|kind| counts.get(kind).into())
}

/// The kinds that have a column of their own: those of which there is anything, all of them when there is nothing.
pub(crate) fn columns<'c>(tables: impl IntoIterator<Item = &'c Counts> + Clone) -> Vec<Kind> {
    let is_there = |kind: &Kind| tables.clone().into_iter().any(|counts| counts.get(*kind) != 0);
    let there: Vec<Kind> = Kind::ALL.into_iter().filter(is_there).collect();
    if there.is_empty() { Kind::ALL.to_vec() } else { there }
}

/// One row.
struct Row {
    name: String,
    counts: Counts,
    tone: Tone,
}

/// What became of every event.
pub(super) struct Table {
    generated: Counts,
    /// Causes for which something was lost first; the others have zeros.
    lost: Vec<(String, Counts)>,
    /// Neither settled nor lost.
    pub(super) in_flight: Counts,
    delivered: Counts,
    no_taker: Counts,
    suppressed: Counts,
}

impl Table {
    pub(super) fn of(probe: &ProbeStatus) -> Self {
        let generated = by_kind(probe.generated.as_ref());
        let delivered = by_kind(probe.delivered.as_ref());
        let no_taker = by_kind(probe.no_taker.as_ref());
        let suppressed = by_kind(probe.suppressed.as_ref());
        let lost: Vec<(String, Counts)> = probe
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
        if self.in_flight.iter().any(|(_, n)| *n < 0) {
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
        let mut causes: Vec<&(String, Counts)> =
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
        let kinds = columns(rows.iter().map(|row| &row.counts));
        let cells: Vec<(Vec<String>, &Row)> = rows
            .iter()
            .map(|row| {
                let counts = kinds.iter().map(|kind| row.counts.get(*kind)).chain([total(row.counts)]);
                (counts.map(grouped).collect(), row)
            })
            .collect();
        let titles = kinds.iter().map(|kind| kind.name()).chain(["total"]);
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
            rows.push(row("lost", Counts::default(), Tone::Good));
        }
        // A difference that does not settle is the one thing that must never happen; negative says counted twice.
        let tone = if self.in_flight.iter().any(|(_, n)| *n < 0) { Tone::Bad } else { Tone::Dim };
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
fn in_words(counts: Counts) -> String {
    let parts: Vec<String> = counts
        .iter()
        .filter(|(_, n)| **n > 0)
        .map(|(kind, n)| format!("{} {}", grouped(*n), kind.name()))
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

pub(crate) fn total(counts: Counts) -> i128 {
    counts.iter().map(|(_, n)| n).sum()
}

fn minus(from: Counts, what: Counts) -> Counts {
    PerKind::from_fn(|kind| from.get(kind) - what.get(kind))
}
