//! The tree of a dump as a terminal shows it.

use activity_tree::{Generation, Line, LineKind};

use crate::view::paint::{Paint, Tone};
use crate::view::text::{fit, fit_end, printable, width};

/// The fewest columns for a text, however deep it stands.
const LEAST_COLUMNS: usize = 20;

/// The lines with their branches, each fitted to `columns` if there are any.
pub(crate) fn lines(outline: &[Line], paint: Paint, columns: Option<usize>) -> Vec<String> {
    let branches = branches(outline);
    outline.iter().zip(&branches).map(|(line, branch)| one(line, branch, paint, columns)).collect()
}

fn one(line: &Line, branch: &str, paint: Paint, columns: Option<usize>) -> String {
    let (mark, tone) = match line.kind {
        LineKind::Process => ("", Tone::Exec),
        LineKind::Exec => ("=> ", Tone::Exec),
        LineKind::Again => ("=> again ", Tone::Dim),
        LineKind::File => ("", Tone::Plain),
        LineKind::Name => ("asks ", Tone::Plain),
        LineKind::Socket => ("binds ", Tone::Open),
        LineKind::Imds => ("metadata ", Tone::Plain),
        LineKind::Flow => ("flow ", Tone::Plain),
        LineKind::Syscall => ("calls ", Tone::Plain),
        LineKind::Capability => ("capability ", Tone::Plain),
    };
    let is_from_before = line.generation == Generation::Snapshot;
    let more = match (line.more.is_empty(), is_from_before && line.kind != LineKind::Again) {
        (_, false) => line.more.clone(),
        (true, true) => "(before)".to_owned(),
        (false, true) => format!("{} (before)", line.more),
    };
    let (text, more) = (printable(&line.text), printable(&more));
    let taken = width(branch) + width(mark);
    let room = columns.map(|columns| columns.saturating_sub(taken).max(LEAST_COLUMNS));
    // Of a path the end says most, of arguments the beginning.
    let text = room.map_or(text.clone(), |room| fit_end(&text, room));
    let left = room.map(|room| room.saturating_sub(width(&text) + 1));
    let more = match left {
        Some(left) if left < 4 => "".into(),
        Some(left) => fit(&more, left),
        None => more.clone(),
    };
    let space = if more.is_empty() { "" } else { " " };
    let (branch, mark) = (paint.apply(Tone::Dim, branch), paint.apply(Tone::Dim, mark));
    format!("{branch}{mark}{}{space}{}", paint.apply(tone, &text), paint.apply(Tone::Dim, &more))
}

/// What stands before each line: whether more comes below on each level.
fn branches(outline: &[Line]) -> Vec<String> {
    let mut more: Vec<bool> = Vec::new();
    let mut branches: Vec<String> = Vec::with_capacity(outline.len());
    for line in outline.iter().rev() {
        more.resize(line.depth + 1, false);
        let mut branch = String::new();
        for (depth, has_more) in more.iter().enumerate().skip(1) {
            branch.push_str(match (depth == line.depth, has_more) {
                (true, true) => "├ ",
                (true, false) => "└ ",
                (false, true) => "│ ",
                (false, false) => "  ",
            });
        }
        if let Some(last) = more.last_mut() {
            *last = true;
        }
        branches.push(branch);
    }
    branches.reverse();
    branches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(depth: usize, kind: LineKind, text: &str, more: &str) -> Line {
        Line { depth, kind, text: text.into(), more: more.into(), generation: Generation::Runtime }
    }

    #[test]
    fn branches_lead_to_what_is_below_and_end_with_the_last() {
        let outline = [
            line(0, LineKind::Process, "/bin/sh", "-c x"),
            line(1, LineKind::File, "/etc/passwd", "r"),
            line(1, LineKind::Exec, "/bin/a", ""),
            line(2, LineKind::Socket, "0.0.0.0:80", "tcp"),
            line(1, LineKind::Process, "/bin/b", ""),
            line(0, LineKind::Process, "/bin/c", ""),
        ];
        let expected = [
            "/bin/sh -c x",
            "├ /etc/passwd r",
            "├ => /bin/a",
            "│ └ binds 0.0.0.0:80 tcp",
            "└ /bin/b",
            "/bin/c",
        ];
        assert_eq!(lines(&outline, Paint::new(false), None), expected);
    }

    #[test]
    fn a_line_never_exceeds_the_window_however_deep_it_stands_and_obeys_nobody() {
        let outline: Vec<Line> = (0..30)
            .map(|depth| {
                line(depth, LineKind::File, &format!("/{}\u{1b}[2J/日本", "x".repeat(90)), "create truncate")
            })
            .collect();
        for (depth, text) in lines(&outline, Paint::new(false), Some(80)).iter().enumerate() {
            assert!(width(text) <= 80.max(2 * depth + LEAST_COLUMNS), "{text}");
            assert!(!text.contains('\u{1b}'));
        }
        let before = Line { generation: Generation::Snapshot, ..line(0, LineKind::Process, "/bin/sh", "x") };
        assert_eq!(lines(&[before], Paint::new(false), Some(80)), ["/bin/sh x (before)"]);
    }
}
