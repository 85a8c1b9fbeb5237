//! Why a command ends without having done its work, what to do next, and the exit code.

use std::path::PathBuf;
use std::process::ExitCode;

use bootstrap::socket::SocketError;

/// Why a command failed. The text says what to do next.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The analyzer's socket does not answer.
    #[error(
        "cannot reach the analyzer: {source}\nIs Shrike running? Start it with `sudo shrike run`, or name its \
         socket with --socket"
    )]
    NotReachable {
        /// The cause; it names the socket.
        source: SocketError,
    },
    /// Somebody listens there, and says nothing.
    #[error(
        "the analyzer at {socket} does not answer within {within} s: it is stopped, or hangs\nLook at its log, and \
         restart Shrike if that says nothing"
    )]
    Silent {
        /// The socket.
        socket: PathBuf,
        /// Seconds.
        within: u64,
    },
    /// The analyzer is there, and not for this user.
    #[error(
        "uid {} may not use the analyzer at {socket}: {reason}\nRun it again with sudo, or have this uid added to \
         sockets.api_uids in analyzer.toml",
        nix::unistd::geteuid()
    )]
    MayNotUse {
        /// The socket.
        socket: PathBuf,
        /// What the kernel or the analyzer said.
        reason: String,
    },
    /// The analyzer went away during the call.
    #[error("the analyzer at {socket} went away: {message}\nLook at its log, then try again")]
    WentAway {
        /// The socket.
        socket: PathBuf,
        /// What is known.
        message: String,
    },
    /// Only root can do this.
    #[error("{what} needs root: {why}\nRun it again with sudo")]
    NeedsRoot {
        /// The command.
        what: &'static str,
        /// What root is needed for.
        why: &'static str,
    },
    /// A program of Shrike is not installed.
    #[error(
        "cannot find the program {name} beside {beside} or in PATH\nBuild it with `cargo build --release` or \
         install all programs of Shrike into one directory"
    )]
    MissingProgram {
        /// The program.
        name: &'static str,
        /// Where it was expected first.
        beside: PathBuf,
    },
    /// A service ended or hung before it was ready.
    #[error("the {service} could not start: {reason}\nIts last lines above say why; {next}")]
    ServiceStart {
        /// The service.
        service: &'static str,
        /// What it did instead.
        reason: String,
        /// What to do.
        next: &'static str,
    },
    /// Another supervisor is at work.
    #[error("another Shrike runs in {path}: stop it first, or choose another directory with --run-dir")]
    AlreadyRuns {
        /// The run directory.
        path: PathBuf,
    },
    /// A service ended again and again before it was ready.
    #[error(
        "the {service} ended {times} times before it was ready, giving up: {reason}\nIts last lines above say why; \
         `shrike doctor` checks what this machine allows"
    )]
    ServiceKeepsEnding {
        /// The service.
        service: &'static str,
        /// How often.
        times: usize,
        /// How it ended last.
        reason: String,
    },
    /// The demo ended, and the events did not arrive as they should.
    #[error("the demo did not succeed: {reason}\n{next}")]
    Demo {
        /// What is missing.
        reason: String,
        /// What to do.
        next: &'static str,
    },
    /// Somebody else has this file.
    #[error("{path} exists already: choose another name, or overwrite it with --force")]
    FileExists {
        /// The file.
        path: PathBuf,
    },
    /// A file, directory or process could not be used.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// What was tried, a verb.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The system refused something that is not about one file.
    #[error("cannot {action}: {source}")]
    System {
        /// What was tried.
        action: &'static str,
        /// The cause.
        source: std::io::Error,
    },
    /// A user name that this machine does not know.
    #[error(
        "there is no user {name} on this machine: create it with `useradd --system {name}` or name another with --user"
    )]
    UnknownUser {
        /// The name.
        name: String,
    },
    /// Every id that a service could have is somebody's.
    #[error(
        "no user id from 60961 to 61183 is free for the services: name a user with --user, or end what uses them"
    )]
    NoFreeUser,
    /// An intake without a key.
    #[error("an intake takes events only with an API key: name the file that holds it with --api-key-file")]
    MissingApiKey,
    /// A service would run with root's rights.
    #[error("the analyzer and the reporter do not run as root: name an ordinary user with --user")]
    UserIsRoot,
    /// A capture cannot be read or written.
    #[error("{path}: {source}")]
    Capture {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: capture::CaptureError,
    },
    /// A capture cannot be converted.
    #[error("{path}: {source}")]
    Conversion {
        /// The input.
        path: PathBuf,
        /// The cause.
        source: capture::convert::ConvertError,
    },
    /// A file name whose ending does not say what it holds.
    #[error(
        "{path} does not end in .cap or .jsonl: `capture convert` turns one into the other, by these endings"
    )]
    UnknownEnding {
        /// The file.
        path: PathBuf,
    },
    /// Nothing to convert.
    #[error("{path} has the same ending as the input: convert .cap to .jsonl or .jsonl to .cap")]
    SameForm {
        /// The output.
        path: PathBuf,
    },
    /// Rules with errors; what is wrong was printed.
    #[error("{wrong} of {all} rules cannot be used: see above for what to write instead")]
    Rules {
        /// How many have errors.
        wrong: usize,
        /// How many there are.
        all: usize,
    },
    /// A text with no rule in it.
    #[error("{name} holds no rule: write an expression such as open.file.path == \"/etc/shadow\"")]
    NoRule {
        /// Where none was found.
        name: String,
    },
    /// No field has this name.
    #[error("no field starts with {prefix}: {next}")]
    NoField {
        /// What was asked for.
        prefix: String,
        /// What to do.
        next: String,
    },
    /// A batch of a capture is not what it must be.
    #[error("{path}: batch {seq} cannot be decoded: {source}; the events before it were looked at")]
    CapturedBatch {
        /// The file.
        path: PathBuf,
        /// Number of the batch.
        seq: u64,
        /// The cause.
        source: wire::WireError,
    },
    /// A dump cannot be read.
    #[error("{path}: {source}")]
    Dump {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: dump::ReadError,
    },
    /// The analyzer does not do what is asked for.
    #[error("{message}")]
    DumpRefused {
        /// What it said.
        message: String,
    },
    /// Nothing was recorded.
    #[error(
        "nothing of the workload was seen, so {name} holds nothing: is it in the scope (`shrike status`), and did it do anything?"
    )]
    EmptyDump {
        /// Name of the dump.
        name: String,
    },
    /// A file whose ending is no format of dumps.
    #[error("{path} does not end in .protobuf, .profile, .json, .dot or .html, each also .gz")]
    UnknownDumpEnding {
        /// The file.
        path: PathBuf,
    },
    /// Bytes that a terminal cannot show.
    #[error("a .{format} is not for a terminal: write it to a file with -o, or into a pipe")]
    NotForATerminal {
        /// What it is.
        format: dump::Format,
    },
    /// A capture in which more than one workload did something, or none.
    #[error("{path} holds the events of {n} workloads: name one with --container\n{names}", n = if *count == 0 { "no".to_owned() } else { count.to_string() })]
    WhichWorkload {
        /// The capture.
        path: PathBuf,
        /// How many.
        count: usize,
        /// Which, one a line.
        names: String,
    },
    /// A configuration for the services is not usable.
    #[error("{path}: {message}")]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        message: String,
    },
    /// A child did its own explaining; only its exit code is passed on.
    #[error("")]
    Passed(u8),
    /// The reader of our output is gone (`shrike events | head`).
    #[error("")]
    OutputClosed,
}

impl Failure {
    /// Failure of writing to standard output.
    pub(crate) fn from_output(source: std::io::Error) -> Self {
        if source.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::OutputClosed;
        }
        Self::System { action: "write to standard output", source }
    }

    /// Failure of doing `action` with `path`.
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }

    /// Failure of doing `action`.
    pub(crate) fn system(action: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::System { action, source }
    }

    /// The exit code, documented in `docs/cli.md`.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::OutputClosed => 0,
            Self::Demo { .. }
            | Self::FileExists { .. }
            | Self::File { .. }
            | Self::System { .. }
            | Self::Capture { .. }
            | Self::CapturedBatch { .. }
            | Self::Rules { .. }
            | Self::Dump { .. }
            | Self::DumpRefused { .. }
            | Self::EmptyDump { .. }
            | Self::Conversion { .. } => 1,
            Self::UnknownEnding { .. }
            | Self::UnknownDumpEnding { .. }
            | Self::NotForATerminal { .. }
            | Self::WhichWorkload { .. }
            | Self::SameForm { .. }
            | Self::NoRule { .. }
            | Self::NoField { .. }
            | Self::UnknownUser { .. }
            | Self::UserIsRoot
            | Self::NoFreeUser
            | Self::MissingApiKey
            | Self::Config { .. } => 2,
            Self::NotReachable { .. } | Self::Silent { .. } | Self::WentAway { .. } => 3,
            Self::NeedsRoot { .. } | Self::MayNotUse { .. } => 4,
            Self::MissingProgram { .. }
            | Self::AlreadyRuns { .. }
            | Self::ServiceStart { .. }
            | Self::ServiceKeepsEnding { .. } => 5,
            Self::Passed(code) => *code,
        })
    }
}
