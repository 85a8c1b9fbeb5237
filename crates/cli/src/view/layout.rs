//! The columns of a line of events, by the width of the window.
//!
//! What happened says most, so it gets what is left; in a narrow window the container goes first, which a filter can
//! choose, then the fractions of a second.

use event::Kind;

use super::terminal::Terminal;

/// As wide as the longest name.
const KIND: usize = {
    let (mut widest, mut rest) = (0, Kind::ALL.as_slice());
    while let [kind, others @ ..] = rest {
        if kind.name().len() > widest {
            widest = kind.name().len();
        }
        rest = others;
    }
    widest
};
const RESULT: usize = 8;
/// A path is never squeezed below this, however narrow the window is: then the line wraps.
const MIN_WHAT: usize = 16;
/// Without a terminal nothing is cut; the result still starts in one column for most lines.
const WIDE_WHAT: usize = 64;
/// Below this width there is no container, and one space between columns.
const COMFORTABLE: usize = 100;
/// Below this width names get less room, so that paths have some.
const ROOMY: usize = 110;
/// Columns that a tree needs for its branches.
const BRANCHES: usize = 8;

/// Widths of the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// `12:34:56`, or with milliseconds.
    pub(super) time: usize,
    pub(super) kind: usize,
    /// 0: it is not shown.
    pub(super) container: usize,
    pub(super) process: usize,
    pub(super) what: usize,
    /// The last column, which long results exceed.
    pub(super) result: usize,
    pub(super) gap: &'static str,
}

impl Layout {
    /// Whether columns were left out.
    pub(super) fn is_narrow(&self) -> bool {
        self.container == 0
    }

    pub(super) fn of(terminal: Terminal, is_tree: bool) -> Self {
        let (time, container, process, gap) = match terminal.columns {
            Some(..COMFORTABLE) => (8, 0, 16, " "),
            Some(..ROOMY) => (12, 10, 20, "  "),
            Some(_) | None => (12, 14, 24, "  "),
        };
        let process = if is_tree { process + BRANCHES } else { process };
        let gaps = if container == 0 { 4 } else { 5 };
        let others = time + KIND + container + process + RESULT + gaps * gap.len();
        let free = terminal.columns.map(|columns| columns.saturating_sub(others));
        let what = free.map_or(WIDE_WHAT, |free| free.max(MIN_WHAT));
        Self { time, kind: KIND, container, process, what, result: RESULT, gap }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::paint::Paint;

    fn at(columns: usize) -> Layout {
        Layout::of(Terminal { paint: Paint::new(false), columns: Some(columns) }, false)
    }

    #[test]
    fn at_80_columns_what_happened_has_half_of_the_line_instead_of_16_characters() {
        let narrow = at(80);
        assert_eq!((narrow.container, narrow.what), (0, 37));
        assert!(at(160).container > 0 && at(160).what > 70);
        for columns in 60..300 {
            let layout = at(columns);
            let gaps = if layout.container == 0 { 4 } else { 5 };
            let all = layout.time + layout.kind + layout.container + layout.process + layout.what + RESULT;
            assert_eq!(all + gaps * layout.gap.len(), columns);
        }
    }
}
