//! One event as one aligned line.
//!
//! ```text
//! time          kind  container     process                what                                   result
//! 12:00:00.123  open  demo          cat[4711]              /etc/shadow O_RDONLY                   EACCES
//! ```

use std::borrow::Cow;

use event::{Kind, Leaf};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use nix::errno::Errno;
use nix::sys::signal::Signal;
use wire::v1::EventMessage;

use super::layout::Layout;
use super::paint::{Paint, Tone};
use super::terminal::Terminal;
use super::text::{column, fit, fit_end, printable, width};

/// The line above the events.
pub(crate) fn header(terminal: Terminal, is_tree: bool) -> String {
    let layout = Layout::of(terminal, is_tree);
    let titles = [
        ("time", layout.time),
        ("kind", layout.kind),
        ("container", layout.container),
        ("process", layout.process),
        ("what", layout.what),
    ];
    let shown = titles.into_iter().filter(|(_, columns)| *columns > 0);
    let mut titles: Vec<String> = shown.map(|(title, columns)| column(title, columns)).collect();
    titles.push("result".to_owned());
    terminal.paint.apply(Tone::Strong, &titles.join(layout.gap))
}

/// The event as one line, without a line end. In a tree it is so many levels below its first known ancestor.
pub(crate) fn line(
    event: &EventMessage,
    zone: &TimeZone,
    terminal: Terminal,
    depth: Option<usize>,
) -> String {
    let paint = terminal.paint;
    let layout = Layout::of(terminal, depth.is_some());
    let (result, tone) = result(event);
    let mut parts = vec![
        paint.apply(Tone::Dim, &clock(event.time_ns, zone, layout.time)),
        paint.apply(Paint::tone_of_kind(&event.kind), &column(&printable(&event.kind), layout.kind)),
    ];
    if layout.container > 0 {
        parts.push(column(&container(event), layout.container));
    }
    parts.push(column(&process(event, layout.process, depth.unwrap_or(0)), layout.process));
    // A long result takes from what happened: the line must not wrap.
    let over = width(&result).saturating_sub(layout.result);
    parts.push(what(event, layout.what.saturating_sub(over), layout.is_narrow(), terminal));
    if !result.is_empty() {
        parts.push(paint.apply(tone, &result));
    }
    parts.join(layout.gap).trim_end().to_owned()
}

/// `comm[pid]`; the pid stays whole when the name is too long.
fn process(event: &EventMessage, columns: usize, depth: usize) -> String {
    let branch = if depth == 0 { String::new() } else { format!("{}└", " ".repeat(depth - 1)) };
    let pid = format!("[{}]", event.pid);
    let left = columns.saturating_sub(width(&pid) + width(&branch));
    format!("{branch}{}{pid}", fit(&printable(&event.comm), left))
}

/// Path and detail: the path in full brightness, the detail dimmed; cut only on a terminal. Where there is little room, an
/// address comes without the program, which the name of the process says well enough.
fn what(event: &EventMessage, columns: usize, is_narrow: bool, terminal: Terminal) -> String {
    let fields = Kind::from_name(&event.kind).map_or(&[][..], Kind::fields);
    let is_address = fields.iter().any(|field| matches!(field.leaf, Leaf::Address));
    let path = if is_narrow && is_address { Cow::Borrowed("") } else { printable(&event.path) };
    let detail = detail(event);
    let (path, detail) = if terminal.columns.is_some() {
        let path = fit_end(&path, columns);
        let gap = usize::from(!path.is_empty());
        let left = columns.saturating_sub(width(&path) + gap);
        let detail = if left > 1 { fit(&detail, left).into_owned() } else { String::new() };
        (path.into_owned(), detail)
    } else {
        (path.into_owned(), detail)
    };
    let gap = if path.is_empty() || detail.is_empty() { "" } else { " " };
    let used = width(&path) + gap.len() + width(&detail);
    let fill = " ".repeat(columns.saturating_sub(used));
    format!("{path}{gap}{}{fill}", terminal.paint.apply(Tone::Dim, &detail))
}

/// What the path and the result do not say already.
fn detail(event: &EventMessage) -> String {
    let detail = printable(&event.detail);
    match shape(event) {
        // The cause is the result.
        Shape::Status => String::new(),
        // `flags = result`, or the result alone.
        Shape::Descriptor | Shape::Errno => {
            let without = detail.rsplit_once("= ").map_or(detail.as_ref(), |(detail, _)| detail);
            without.trim_end().to_owned()
        }
        // The arguments with the program in front, usually by the name that the path ends in.
        Shape::Program => {
            let (program, arguments) = detail.split_once(' ').unwrap_or((detail.as_ref(), ""));
            let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
            let is_same = name(program) == name(&printable(&event.path));
            if is_same { arguments.to_owned() } else { detail.into_owned() }
        }
        Shape::Other => detail.into_owned(),
    }
}

fn container(event: &EventMessage) -> String {
    if !event.container_name.is_empty() {
        return printable(&event.container_name).into_owned();
    }
    if event.container_id.is_empty() {
        return "-".to_owned();
    }
    printable(&event.container_id).chars().take(12).collect()
}

/// The result for people, and whether it is good.
fn result(event: &EventMessage) -> (String, Tone) {
    match shape(event) {
        Shape::Descriptor | Shape::Errno if event.retval < 0 => {
            (errno_name(event.retval.saturating_neg()), Tone::Bad)
        }
        Shape::Descriptor => (format!("fd {}", event.retval), Tone::Dim),
        Shape::Status => exit(event),
        Shape::Errno | Shape::Program | Shape::Other => (String::new(), Tone::Plain),
    }
}

/// What the line of a kind looks like: by the type of the last field that decides it.
enum Shape {
    Program,
    Status,
    Descriptor,
    Errno,
    Other,
}

fn shape(event: &EventMessage) -> Shape {
    let fields = Kind::from_name(&event.kind).map_or(&[][..], Kind::fields);
    let shape = |leaf| match leaf {
        Leaf::Program => Some(Shape::Program),
        Leaf::Status => Some(Shape::Status),
        Leaf::Descriptor => Some(Shape::Descriptor),
        Leaf::Errno => Some(Shape::Errno),
        Leaf::File
        | Leaf::Process
        | Leaf::Address
        | Leaf::Text
        | Leaf::Flags(_)
        | Leaf::Number(_)
        | Leaf::Mode => None,
    };
    fields.iter().rev().find_map(|field| shape(field.leaf)).unwrap_or(Shape::Other)
}

fn exit(event: &EventMessage) -> (String, Tone) {
    // `exited 3`, `killed by SIGSEGV`, `killed by SIGSEGV, core dumped`
    if event.detail.contains("core dumped") {
        (format!("{} core", signal_name(event.retval)), Tone::Bad)
    } else if event.detail.starts_with("killed") {
        (signal_name(event.retval), Tone::Bad)
    } else if event.retval == 0 {
        ("exit 0".to_owned(), Tone::Dim)
    } else {
        (format!("exit {}", event.retval), Tone::Warn)
    }
}

fn errno_name(errno: i32) -> String {
    let known = Errno::from_raw(errno);
    if known == Errno::UnknownErrno { format!("errno {errno}") } else { format!("{known:?}") }
}

fn signal_name(signal: i32) -> String {
    Signal::try_from(signal).map_or_else(|_| format!("signal {signal}"), |known| known.as_str().to_owned())
}

fn clock(time_ns: i64, zone: &TimeZone, columns: usize) -> String {
    let format = if columns < "12:34:56.789".len() { "%H:%M:%S" } else { "%H:%M:%S.%3f" };
    Timestamp::from_nanosecond(i128::from(time_ns))
        .map_or_else(|_| "?".repeat(columns), |time| time.to_zoned(zone.clone()).strftime(format).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &str, retval: i32) -> EventMessage {
        EventMessage {
            time_ns: 1_700_000_000_123_456_789,
            kind: "open".into(),
            container_id: "0123456789abcdef".into(),
            pid: 4711,
            comm: "cat".into(),
            path: path.into(),
            retval,
            detail: "O_RDONLY = EACCES".into(),
            ..EventMessage::default()
        }
    }

    fn on(columns: Option<usize>, colour: bool) -> Terminal {
        Terminal { paint: Paint::new(colour), columns }
    }

    #[test]
    fn a_line_shows_time_kind_container_process_path_and_errno_in_columns() {
        let text = line(&open("/etc/shadow", -13), &TimeZone::UTC, on(Some(110), false), None);
        assert_eq!(
            text,
            "22:13:20.123  open     0123456789ab    cat[4711]                 /etc/shadow O_RDONLY                 EACCES"
        );
        let head = header(on(Some(110), false), false);
        assert_eq!(head.find("result"), text.find("EACCES"));
        assert_eq!(head.find("what"), text.find("/etc/shadow"));
    }

    #[test]
    fn the_manual_shows_what_is_printed() {
        let event = |ms: i64, kind: &str, path: &str, retval, detail: &str| EventMessage {
            time_ns: 1_699_963_200_000_000_000 + ms * 1_000_000,
            kind: kind.into(),
            container_name: "web".into(),
            path: path.into(),
            detail: detail.into(),
            ..open(path, retval)
        };
        let shadow = "/etc/shadow";
        let mut events = [
            event(123, "exec", "/usr/bin/cat", 0, "cat /etc/shadow"),
            event(124, "open", shadow, -13, "O_RDONLY = EACCES"),
            event(125, "exit", "/usr/bin/cat", 1, "exited 1"),
        ];
        // The name is not known yet.
        events[0].container_name.clear();
        let window = on(Some(110), false);
        let mut sample = vec![header(window, false)];
        sample.extend(events.iter().map(|event| line(event, &TimeZone::UTC, window, None)));
        let sample = format!("```\n{}\n```\n", sample.join("\n"));
        let manual = include_str!("../../../../docs/cli.md");
        assert!(manual.contains(&sample), "docs/cli.md lacks:\n{sample}");
    }

    #[test]
    fn a_line_never_exceeds_the_window_even_with_wide_and_hostile_names() {
        for path in ["/very/long/".repeat(40), "日本語".repeat(50), "\u{1b}]0;x\u{7}".repeat(30)] {
            for columns in [64, 80, 90, 100, 133, 250] {
                let text = line(&open(&path, 3), &TimeZone::UTC, on(Some(columns), false), None);
                assert!(width(&text) <= columns, "{columns}: {text}");
                assert!(!text.contains('\u{1b}') && text.contains('…'), "{text}");
            }
        }
    }

    #[test]
    fn at_80_columns_a_line_says_what_happened_and_how_it_ended() {
        let window = on(Some(80), false);
        let head = header(window, false);
        let text = line(&open("/usr/share/app/settings.json", -13), &TimeZone::UTC, window, None);
        assert_eq!(text, "22:13:20 open    cat[4711]        /usr/share/app/settings.json O_RDONLY EACCES");
        assert_eq!(head, "time     kind    process          what                                  result");
    }

    #[test]
    fn at_80_columns_a_refused_connection_fits_with_its_address() {
        let event = EventMessage {
            kind: "connect".into(),
            path: "/usr/lib/app/bin/a-long-name".into(),
            detail: "127.0.0.1:5432 IP_PROTO_TCP = ECONNREFUSED".into(),
            retval: -111,
            ..open("", -111)
        };
        let text = line(&event, &TimeZone::UTC, on(Some(80), false), None);
        assert_eq!(text, "22:13:20 connect cat[4711]        127.0.0.1:5432 IP_PROTO_TCP       ECONNREFUSED");
        let wide = line(&event, &TimeZone::UTC, on(Some(160), false), None);
        assert!(wide.contains("/usr/lib/app/bin/a-long-name 127.0.0.1:5432"), "{wide}");
    }

    #[test]
    fn in_a_tree_a_process_is_below_its_parent() {
        let at = |depth| line(&open("/x", 3), &TimeZone::UTC, on(Some(80), false), Some(depth));
        assert!(at(0).contains(" open    cat[4711]                /x O_RDONLY"), "{}", at(0));
        assert!(at(1).contains(" open    └cat[4711]               /x O_RDONLY"), "{}", at(1));
        assert!(at(3).contains(" open      └cat[4711]             /x O_RDONLY"), "{}", at(3));
        assert!(width(&at(8)) <= 80);
    }

    #[test]
    fn into_a_pipe_nothing_is_cut() {
        let path = "/long".repeat(100);
        assert!(line(&open(&path, 3), &TimeZone::UTC, on(None, false), None).contains(&path));
    }

    #[test]
    fn colours_change_no_character_of_the_line() {
        let plain = line(&open("/x", -2), &TimeZone::UTC, on(Some(120), false), None);
        let colour = line(&open("/x", -2), &TimeZone::UTC, on(Some(120), true), None);
        assert_ne!(plain, colour);
        assert_eq!(console::strip_ansi_codes(&colour), plain);
        assert!(colour.contains("\u{1b}[1m\u{1b}[31mENOENT"), "{colour:?}");
    }

    #[test]
    fn an_exit_names_its_code_or_its_signal() {
        let exit = |retval, detail: &str| {
            result(&EventMessage {
                kind: "exit".into(),
                retval,
                detail: detail.into(),
                ..EventMessage::default()
            })
        };
        assert_eq!(exit(0, "exited 0"), ("exit 0".into(), Tone::Dim));
        assert_eq!(exit(3, "exited 3"), ("exit 3".into(), Tone::Warn));
        assert_eq!(exit(9, "killed by SIGKILL"), ("SIGKILL".into(), Tone::Bad));
        assert_eq!(exit(11, "killed by SIGSEGV, core dumped"), ("SIGSEGV core".into(), Tone::Bad));
        assert_eq!(exit(64, "killed by signal 64"), ("signal 64".into(), Tone::Bad));
    }

    #[test]
    fn an_exec_shows_its_program_once() {
        let exec = |path: &str, command: &str| {
            let (kind, path, detail) = ("exec".into(), path.into(), command.into());
            detail_of(EventMessage { kind, path, detail, ..EventMessage::default() })
        };
        assert_eq!(exec("/usr/bin/cat", "cat a b"), "a b");
        assert_eq!(exec("/usr/bin/true", "/bin/true"), "");
        assert_eq!(exec("/usr/bin/dash", "/bin/sh ./x"), "/bin/sh ./x");
    }

    fn detail_of(event: EventMessage) -> String {
        detail(&event)
    }

    #[test]
    fn a_long_process_name_keeps_its_pid() {
        let mut event = open("/x", 3);
        event.comm = "a-very-long-name-of-a-process".into();
        event.pid = 4_194_304;
        let text = line(&event, &TimeZone::UTC, on(Some(120), false), None);
        assert!(text.contains("…[4194304]"), "{text}");
    }

    #[test]
    fn a_time_out_of_range_does_not_end_the_stream() {
        let mut event = open("/x", 3);
        event.time_ns = i64::MIN;
        assert!(!line(&event, &TimeZone::UTC, on(None, false), None).is_empty());
    }
}
