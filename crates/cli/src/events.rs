//! `shrike events`: the live stream, one line per event.

use std::path::Path;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio_stream::StreamExt;
use wire::v1::{EventMessage, SubscribeRequest};

use crate::api;
use crate::args::{EventsArgs, Global, SelectArgs};
use crate::failure::Failure;
use crate::view::event_line;
use crate::view::paint::Tone;
use crate::view::select::{Selection, Verdict};
use crate::view::terminal::{Terminal, note, print, print_line};
use crate::view::text::grouped;
use crate::view::tree::Forest;

/// Longest pause between two attempts to reach an analyzer that went away.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// How a stream ended.
enum End {
    /// As many events as asked for.
    Complete,
    /// The analyzer ended or restarts.
    AnalyzerAway,
}

/// Shows events until Ctrl-C, `--count` or a closed output.
pub(crate) async fn run(args: EventsArgs, global: Global) -> Result<(), Failure> {
    let args = args.select;
    let mut printer = Printer::new(Terminal::stdout(global.color), &args);
    let request = SubscribeRequest {
        kinds: args.kinds,
        containers: args.containers,
        comms: args.comms,
        with_json: args.json,
    };
    let shown = tokio::select! {
        shown = show(&request, &global.socket, &mut printer) => shown,
        signal = bootstrap::shutdown::requested() => {
            signal.map(drop).map_err(Failure::system("wait for Ctrl-C"))
        }
    };
    if shown.is_ok() {
        printer.close();
    }
    shown
}

async fn show(request: &SubscribeRequest, socket: &Path, printer: &mut Printer) -> Result<(), Failure> {
    // The first connection must work: a wrong socket is an error to tell, not a reason to wait for ever.
    let mut end = stream(request, socket, printer).await?;
    let mut pause = Duration::from_millis(100);
    while matches!(end, End::AnalyzerAway) {
        printer.remark("the analyzer went away: waiting for it to come back (Ctrl-C ends)");
        end = loop {
            tokio::time::sleep(pause).await;
            match stream(request, socket, printer).await {
                Ok(end) => break end,
                Err(Failure::NotReachable { .. } | Failure::Silent { .. } | Failure::WentAway { .. }) => {
                    pause = (pause * 2).min(MAX_PAUSE);
                }
                Err(other) => return Err(other),
            }
        };
        pause = Duration::from_millis(100);
    }
    Ok(())
}

async fn stream(request: &SubscribeRequest, socket: &Path, printer: &mut Printer) -> Result<End, Failure> {
    let mut client = api::connect(socket).await?;
    let mut stream = api::answer(socket, client.subscribe(request.clone())).await?;
    printer.connected()?;
    while let Some(message) = stream.next().await {
        let Ok(message) = message else { return Ok(End::AnalyzerAway) };
        if printer.event(&message)? {
            return Ok(End::Complete);
        }
    }
    Ok(End::AnalyzerAway)
}

/// Writes events and what must be said about them.
pub(crate) struct Printer {
    terminal: Terminal,
    zone: TimeZone,
    json: bool,
    selection: Selection,
    /// How processes hang together, if that is shown.
    forest: Option<Forest>,
    left: Option<u64>,
    was_away: bool,
    has_header: bool,
    shown: u64,
    lost: u64,
    /// What the loader did and is not shown.
    loader: u64,
}

impl Printer {
    /// Lines for `terminal`.
    pub(crate) fn new(terminal: Terminal, args: &SelectArgs) -> Self {
        Self {
            terminal,
            zone: TimeZone::system(),
            json: args.json,
            selection: Selection::new(args, args.json),
            forest: args.tree.then(Forest::default),
            left: args.count,
            was_away: false,
            has_header: false,
            shown: 0,
            lost: 0,
            loader: 0,
        }
    }

    /// The titles of the columns, once.
    pub(crate) fn header(&mut self) -> Result<(), Failure> {
        if self.json || std::mem::replace(&mut self.has_header, true) {
            return Ok(());
        }
        print_line(&event_line::header(self.terminal, self.forest.is_some()))
    }

    /// Writes one event; true when it was the last one asked for.
    pub(crate) fn event(&mut self, message: &EventMessage) -> Result<bool, Failure> {
        if !message.remark.is_empty() {
            self.remark(&message.remark);
            return Ok(false);
        }
        self.lost = self.lost.saturating_add(message.dropped_before);
        if message.dropped_before > 0 {
            let n = grouped(message.dropped_before.into());
            self.remark(&format!("{n} events are missing here: this output was too slow for them"));
        }
        if self.left == Some(0) {
            return Ok(true);
        }
        // Also of what is not shown: it may be the parent of what is.
        let depth = self.forest.as_mut().map(|forest| forest.depth(message));
        match self.selection.judge(message) {
            Verdict::Show => self.shown += 1,
            Verdict::Other => return Ok(false),
            Verdict::Loader => {
                self.loader += 1;
                return Ok(false);
            }
        }
        if self.json {
            let mut line = message.json.clone();
            line.push(b'\n');
            print(&line)?;
        } else {
            self.terminal = self.terminal.resized();
            print_line(&event_line::line(message, &self.zone, self.terminal, depth))?;
        }
        if let Some(left) = &mut self.left {
            *left -= 1;
        }
        Ok(self.left == Some(0))
    }

    /// How much it was, on standard error.
    pub(crate) fn close(&self) {
        let of = |n: u64| grouped(n.into());
        let mut text = format!("{} events, {} lost", of(self.shown), of(self.lost));
        if self.loader > 0 {
            text.push_str(&format!("; {} of the loader not shown (--loader shows them)", of(self.loader)));
        }
        let tone = if self.lost > 0 { Tone::Warn } else { Tone::Dim };
        note(&self.terminal.paint.apply(tone, &format!("-- {text}")));
    }

    /// The analyzer accepted: before that there is nothing to put titles above.
    fn connected(&mut self) -> Result<(), Failure> {
        if std::mem::take(&mut self.was_away) {
            note(&self.terminal.paint.apply(Tone::Good, "-- the analyzer is back"));
        }
        self.header()
    }

    /// Says something about the stream on standard error, so that it never mixes with events.
    fn remark(&mut self, text: &str) {
        self.was_away |= text.contains("went away");
        note(&self.terminal.paint.apply(Tone::Warn, &format!("-- {text}")));
    }
}
