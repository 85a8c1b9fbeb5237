//! Forwards what services say, each line with the name of its service in front.

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use crate::view::paint::{Paint, Tone};
use crate::view::terminal::note;
use crate::view::text::{column, printable};

/// Columns of the longest name, `analyzer`.
const NAME: usize = 8;

/// How one service is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Voice {
    /// Name of the service.
    pub(crate) name: &'static str,
    /// Colour of the name.
    pub(crate) tone: Tone,
    /// Colours on or off.
    pub(crate) paint: Paint,
}

impl Voice {
    /// Says one line in the name of the service.
    pub(crate) fn say(self, text: &str) {
        note(&self.line(text));
    }

    fn line(self, text: &str) -> String {
        let name = self.paint.apply(self.tone, &column(self.name, NAME));
        // Log lines hold names that workloads chose.
        format!("{name} {} {}", self.paint.apply(Tone::Dim, "│"), printable(text))
    }

    /// Says every line of `stream`, until it ends.
    pub(crate) async fn forward(self, stream: impl AsyncRead + Unpin) {
        let mut lines = BufReader::new(stream).split(b'\n');
        // A read error on a pipe means that there is nothing more to come.
        while let Ok(Some(line)) = lines.next_segment().await {
            let text = String::from_utf8_lossy(&line);
            if !text.trim().is_empty() {
                self.say(text.trim_end());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_name_of_its_service_and_no_control_characters() {
        let voice = Voice { name: "probe", tone: Tone::Exec, paint: Paint::new(false) };
        assert_eq!(voice.line("comm=\u{1b}[2J"), "probe    │ comm=\\x1b[2J");
    }
}
