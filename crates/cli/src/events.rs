//! `shrike events`: the live stream, one line per event.

use std::path::Path;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio_stream::StreamExt;
use wire::v1::{EventMessage, SubscribeRequest};

use crate::api;
use crate::args::{EventsArgs, Global};
use crate::failure::Failure;
use crate::view::event_line;
use crate::view::paint::Tone;
use crate::view::terminal::{Terminal, note, print, print_line};
use crate::view::text::grouped;

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
    let mut printer = Printer::new(Terminal::stdout(global.color), args.json, args.count);
    let request = SubscribeRequest {
        kinds: args.kinds,
        containers: args.containers,
        comms: args.comms,
        with_json: args.json,
    };
    tokio::select! {
        shown = show(&request, &global.socket, &mut printer) => shown,
        signal = bootstrap::shutdown::requested() => {
            signal.map(drop).map_err(Failure::system("wait for Ctrl-C"))
        }
    }
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
    left: Option<u64>,
    was_away: bool,
    has_header: bool,
}

impl Printer {
    /// Lines for `terminal`, at most `count` events.
    pub(crate) fn new(terminal: Terminal, json: bool, count: Option<u64>) -> Self {
        Self { terminal, zone: TimeZone::system(), json, left: count, was_away: false, has_header: false }
    }

    /// The titles of the columns, once.
    pub(crate) fn header(&mut self) -> Result<(), Failure> {
        if self.json || std::mem::replace(&mut self.has_header, true) {
            return Ok(());
        }
        print_line(&event_line::header(self.terminal))
    }

    /// Writes one event; true when it was the last one asked for.
    pub(crate) fn event(&mut self, message: &EventMessage) -> Result<bool, Failure> {
        if message.dropped_before > 0 {
            let n = grouped(message.dropped_before.into());
            self.remark(&format!("{n} events are missing here: this output was too slow for them"));
        }
        if self.left == Some(0) {
            return Ok(true);
        }
        if self.json {
            let mut line = message.json.clone();
            line.push(b'\n');
            print(&line)?;
        } else {
            self.terminal = self.terminal.resized();
            print_line(&event_line::line(message, &self.zone, self.terminal))?;
        }
        if let Some(left) = &mut self.left {
            *left -= 1;
        }
        Ok(self.left == Some(0))
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
