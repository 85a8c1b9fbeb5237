//! Events in words, for people.

use std::sync::Arc;

use event::{Address, Exec, ExitStatus, Field, File, Flags, Host, Names, ProcessKey, Run, Text, Visitor};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use wire::v1;

use crate::context::clock;
use crate::context::tags::Tags;
use crate::stages::dispatch::Dispatched;

/// Longest command line that is shown.
const MAX_DETAIL_BYTES: usize = 4096;

/// The message for subscribers, without JSON.
#[must_use]
pub fn message(event: &Dispatched, host: &Host, tags: Option<&Tags>) -> v1::EventMessage {
    let task = &event.event.task;
    let container = task.cgroup.workload.container_id();
    let program = |run: &Run| run.exec.as_ref().map(|exec| exec.executable.path.clone());
    let mut words = Words::default();
    event.event.what.visit(&mut words);
    let Words { path, retval, details } = words;
    let path = path.cloned().or_else(|| program(&event.run)).unwrap_or_default();
    let detail = details.join(" ");
    v1::EventMessage {
        seq: event.number,
        dropped_before: 0,
        time_ns: clock::wall_ns(event.event.boot_ns, host.wall_offset_ns),
        kind: event.event.kind().name().to_owned(),
        container_id: container.map(ToString::to_string).unwrap_or_default(),
        container_name: tags.map(|tags| tags.container_name.clone()).unwrap_or_default(),
        image: tags.and_then(|tags| tags.image.as_ref()).map(|image| image.display()).unwrap_or_default(),
        pid: task.process.tgid,
        comm: printable(&task.comm),
        path: printable(&path),
        retval,
        detail,
        json: Vec::new(),
        ppid: task.ppid,
        remark: String::new(),
    }
}

/// One line for people, without its end.
#[must_use]
pub fn line(message: &v1::EventMessage) -> String {
    let time = jiff::Timestamp::from_nanosecond(message.time_ns.into())
        .map_or_else(|_| message.time_ns.to_string(), |time| format!("{time:.6}"));
    let container = message.container_id.get(..12).unwrap_or(&message.container_id);
    let container = if container.is_empty() { "-" } else { container };
    format!(
        "{time} {:<4} {:>7} {:<15} {container:<12} {} {}",
        message.kind, message.pid, message.comm, message.path, message.detail
    )
}

fn command_line(exec: &Exec) -> String {
    let mut line = String::new();
    for argument in &exec.args.items {
        if line.len() > MAX_DETAIL_BYTES {
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        let text = printable(argument);
        if text.is_empty() || text.contains([' ', '\'', '"']) {
            line.push('\'');
            line.push_str(&text.replace('\'', r"'\''"));
            line.push('\'');
        } else {
            line.push_str(&text);
        }
    }
    let is_cut = line.len() > MAX_DETAIL_BYTES;
    if is_cut {
        line.truncate(line.floor_char_boundary(MAX_DETAIL_BYTES));
    }
    if is_cut || exec.args.truncated {
        line.push_str(" ...");
    }
    line
}

/// What the fields of an event say in words.
#[derive(Default)]
struct Words<'a> {
    /// Of the first file, or of the program.
    path: Option<&'a Text>,
    retval: i32,
    details: Vec<String>,
}

impl<'a> Visitor<'a> for Words<'a> {
    fn file(&mut self, _: &'static Field, file: &'a Arc<File>) {
        if self.path.is_none() {
            self.path = Some(&file.path);
        } else {
            self.details.push(format!("-> {}", printable(&file.path)));
        }
    }

    fn program(&mut self, _: &'static Field, exec: &'a Arc<Exec>) {
        self.path = Some(&exec.executable.path);
        self.details.push(command_line(exec));
    }

    fn process(&mut self, _: &'static Field, key: ProcessKey) {
        self.details.push(format!("child of {}", key.tgid));
    }

    fn status(&mut self, _: &'static Field, status: ExitStatus) {
        self.retval = code(status).into();
        self.details.push(cause(status));
    }

    fn address(&mut self, _: &'static Field, address: &'a Address) {
        self.details.push(printable(&Text::from(address.endpoint.to_string())));
    }

    fn text(&mut self, _: &'static Field, text: &'a Text) {
        self.details.push(printable(text));
    }

    fn number(&mut self, _: &'static Field, names: &'static Names, number: u32) {
        self.details.push(names.to_name(number));
    }

    fn flags(&mut self, _: &'static Field, names: &'static Flags, flags: u32) {
        if flags != 0 || names.names_zero() {
            self.details.push(names.to_names(flags));
        }
    }

    // Only of a new file, which its own event shows.
    fn mode(&mut self, _: &'static Field, _: u32) {}

    fn descriptor(&mut self, _: &'static Field, retval: i32) {
        self.retval = retval;
        self.details.push(format!("= {}", result(retval)));
    }

    fn errno(&mut self, _: &'static Field, retval: i32) {
        self.retval = retval;
        self.details.push(format!("= {}", result(retval)));
    }
}

fn result(retval: i32) -> String {
    let Some(errno) = retval.checked_neg().filter(|errno| *errno > 0) else { return retval.to_string() };
    let known = Errno::from_raw(errno);
    if known == Errno::UnknownErrno { format!("error {errno}") } else { format!("{known:?}") }
}

fn code(status: ExitStatus) -> u8 {
    match status {
        ExitStatus::Exited(code) => code,
        ExitStatus::Signaled(signal) | ExitStatus::CoreDumped(signal) => signal,
    }
}

fn cause(status: ExitStatus) -> String {
    let name = |signal: u8| match Signal::try_from(i32::from(signal)) {
        Ok(known) => known.as_str().to_owned(),
        Err(_) => format!("signal {signal}"),
    };
    match status {
        ExitStatus::Exited(code) => format!("exited {code}"),
        ExitStatus::Signaled(signal) => format!("killed by {}", name(signal)),
        ExitStatus::CoreDumped(signal) => format!("killed by {}, core dumped", name(signal)),
    }
}

/// Text that cannot move the cursor of a terminal, reorder or hide what is beside it, or pretend to be another line.
fn printable(text: &Text) -> String {
    let text = text.to_lossy();
    if !text.contains(is_hostile) {
        return text.into_owned();
    }
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hostile(c) {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// Control characters, and those that Unicode has for reordering text, ending lines and taking no room.
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use event::{Open, Strings, What};

    use super::*;

    fn exec(args: &[&str]) -> Exec {
        let items = args.iter().map(|argument| Text::from(*argument)).collect();
        Exec { args: Strings { items, truncated: false }, ..Exec::default() }
    }

    #[test]
    fn a_command_line_reads_as_it_could_be_typed() {
        assert_eq!(command_line(&exec(&["sh", "-c", "echo 'x'", ""])), r"sh -c 'echo '\''x'\''' ''");
    }

    #[test]
    fn an_argument_cannot_write_to_the_terminal() {
        assert_eq!(command_line(&exec(&["\u{1b}[2J\nroot"])), r"\u{1b}[2J\nroot");
    }

    #[test]
    fn an_argument_cannot_reorder_or_hide_text() {
        let line = command_line(&exec(&["\u{202e}evil\u{2066}", "a\u{200b}\u{feff}\u{2028}b", "é日"]));
        assert_eq!(line, r"\u{202e}evil\u{2066} a\u{200b}\u{feff}\u{2028}b é日");
    }

    #[test]
    fn a_long_command_line_is_cut_and_says_so() {
        let line = command_line(&exec(&["a", &"é".repeat(5000), "b"]));
        assert!(line.ends_with(" ...") && line.len() < MAX_DETAIL_BYTES + 8);
    }

    #[test]
    fn results_and_causes_have_their_usual_names() {
        let open = |retval| {
            let what = What::Open(Open { file: Arc::new(File::default()), flags: 0, mode: 0o644, retval });
            let mut words = Words::default();
            what.visit(&mut words);
            words.details.join(" ")
        };
        assert_eq!(open(3), "O_RDONLY = 3");
        assert_eq!(open(-2), "O_RDONLY = ENOENT");
        assert_eq!(open(i32::MIN), format!("O_RDONLY = {}", i32::MIN));
        assert_eq!(cause(ExitStatus::Signaled(9)), "killed by SIGKILL");
        assert_eq!(cause(ExitStatus::CoreDumped(200)), "killed by signal 200, core dumped");
    }
}
