//! Does to unix sockets that speak HTTP/2 what a hostile local user would, for a bounded time, and says what it got.
//!
//! One thread for each socket goes through the list of [`ATTACKS`] again and again. Everything that an attack holds it
//! lets go at its end, or the next one would not get in; it takes no more than [`HELD`] descriptors for each socket.
//!
//! ```text
//! $ attack-sockets --uid 12345 --seconds 5 /run/shrike/analyzer.sock
//! {"/run/shrike/analyzer.sock":{"connected":9310,"refused":0,"sent":1044480,"closed_by_mode":0}}
//! ```

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;

/// Connections that are kept open, of each socket.
const HELD: usize = 200;
/// Streams that are opened in one connection.
const STREAMS: u32 = 10_000;
/// Patience with a service that does not read.
const WRITE: Duration = Duration::from_millis(100);

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Attacks sockets.
#[derive(Debug, Parser)]
#[command(name = "attack-sockets")]
struct Args {
    /// User and group to become first
    #[arg(long)]
    uid: Option<u32>,
    /// Time to go on
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// The path of a call
    #[arg(long, default_value = "/shrike.v1.Analyzer/GetStatus")]
    call: String,
    /// The first message of that call, in hexadecimal
    #[arg(long, default_value = "")]
    message: String,
    /// The sockets
    sockets: Vec<PathBuf>,
}

/// What came of it.
#[derive(Debug, Default)]
struct Tally {
    connected: u64,
    refused: u64,
    sent: u64,
    closed_by_mode: u64,
}

type Attack = fn(&mut Assault<'_>) -> std::io::Result<()>;

const ATTACKS: [Attack; 9] = [
    whole_call,
    idle,
    streams_with_headers_only,
    garbage,
    slow_preface,
    resets,
    endless_headers,
    huge_message,
    come_and_go,
];

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if let Some(uid) = args.uid {
        nix::unistd::setgroups(&[]).context("cannot leave the groups")?;
        nix::unistd::setgid(uid.into())?;
        nix::unistd::setuid(uid.into())?;
    }
    let message = unhex(&args.message)?;
    let end = Instant::now() + Duration::from_secs(args.seconds);
    let tallies: serde_json::Map<_, _> = std::thread::scope(|scope| {
        let attacks: Vec<_> = args
            .sockets
            .iter()
            .map(|socket| (socket, scope.spawn(|| Assault::new(socket, (&args.call, &message), end).run())))
            .collect();
        let told = |tally: Tally| {
            let Tally { connected, refused, sent, closed_by_mode } = tally;
            serde_json::json!({
                "connected": connected, "refused": refused, "sent": sent, "closed_by_mode": closed_by_mode
            })
        };
        attacks
            .into_iter()
            .filter_map(|(socket, thread)| Some((socket.display().to_string(), told(thread.join().ok()?))))
            .collect()
    });
    writeln!(std::io::stdout(), "{}", serde_json::Value::Object(tallies))?;
    Ok(())
}

/// The attack on one socket.
struct Assault<'a> {
    socket: &'a Path,
    call: &'a str,
    message: &'a [u8],
    end: Instant,
    held: VecDeque<UnixStream>,
    tally: Tally,
}

impl<'a> Assault<'a> {
    fn new(socket: &'a Path, (call, message): (&'a str, &'a [u8]), end: Instant) -> Self {
        Self { socket, call, message, end, held: VecDeque::new(), tally: Tally::default() }
    }

    fn run(mut self) -> Tally {
        for attack in ATTACKS.iter().cycle() {
            if Instant::now() >= self.end {
                break;
            }
            // Being hung up on is what the service should do.
            match attack(&mut self) {
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    self.tally.closed_by_mode += 1;
                    // Nothing to be had here: leaves the processor to the other attacks.
                    std::thread::yield_now();
                }
                Err(_) => self.tally.refused += 1,
                Ok(()) => {}
            }
            self.held.clear();
        }
        self.tally
    }

    fn connect(&mut self) -> std::io::Result<UnixStream> {
        let stream = UnixStream::connect(self.socket)?;
        stream.set_write_timeout(Some(WRITE))?;
        stream.set_read_timeout(Some(WRITE))?;
        self.tally.connected += 1;
        Ok(stream)
    }

    fn send(&mut self, stream: &mut UnixStream, bytes: &[u8]) -> std::io::Result<()> {
        stream.write_all(bytes)?;
        self.tally.sent += bytes.len() as u64;
        Ok(())
    }

    /// A connection whose HTTP/2 has begun.
    fn begin(&mut self) -> std::io::Result<UnixStream> {
        let mut stream = self.connect()?;
        self.send(&mut stream, PREFACE)?;
        self.send(&mut stream, &frame(4, 0, 0, &[]))?;
        Ok(stream)
    }

    /// Keeps a connection, and lets the oldest go when there are many.
    fn hold(&mut self, stream: UnixStream) {
        if self.held.len() >= HELD {
            self.held.pop_front();
        }
        self.held.push_back(stream);
    }

    fn headers(&self) -> Vec<u8> {
        let mut block = Vec::new();
        let fields = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "localhost"),
            (":path", self.call),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ];
        for (name, value) in fields {
            literal(&mut block, name.as_bytes(), value.as_bytes());
        }
        block
    }
}

/// A call as it should be, from somebody who has no business here.
fn whole_call(assault: &mut Assault<'_>) -> std::io::Result<()> {
    let mut stream = assault.begin()?;
    let headers = assault.headers();
    assault.send(&mut stream, &frame(1, 4, 1, &headers))?;
    let mut message = vec![0];
    message.extend(u32::try_from(assault.message.len()).unwrap_or(u32::MAX).to_be_bytes());
    message.extend(assault.message);
    assault.send(&mut stream, &frame(0, 0, 1, &message))?;
    // Until the service ends it, or has nothing more to say.
    let mut answer = [0; 1024];
    while stream.read(&mut answer)? > 0 {}
    Ok(())
}

/// Connections that say nothing.
fn idle(assault: &mut Assault<'_>) -> std::io::Result<()> {
    for _ in 0..HELD / 2 {
        let stream = assault.connect()?;
        assault.hold(stream);
    }
    Ok(())
}

/// Streams that never send their request.
fn streams_with_headers_only(assault: &mut Assault<'_>) -> std::io::Result<()> {
    let mut stream = assault.begin()?;
    let headers = assault.headers();
    let sent = (0..STREAMS).try_for_each(|n| assault.send(&mut stream, &frame(1, 4, 2 * n + 1, &headers)));
    assault.hold(stream);
    sent
}

/// What is no HTTP/2.
fn garbage(assault: &mut Assault<'_>) -> std::io::Result<()> {
    let mut stream = assault.begin()?;
    let noise: Vec<u8> = (0..64_u32 << 10).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    assault.send(&mut stream, &noise)
}

/// A beginning that is never finished.
fn slow_preface(assault: &mut Assault<'_>) -> std::io::Result<()> {
    let mut stream = assault.connect()?;
    let (begun, _) = PREFACE.split_at(PREFACE.len() / 2);
    assault.send(&mut stream, begun)?;
    assault.hold(stream);
    Ok(())
}

/// Streams that are taken back at once.
fn resets(assault: &mut Assault<'_>) -> std::io::Result<()> {
    let mut stream = assault.begin()?;
    let headers = assault.headers();
    for n in 0..STREAMS {
        let mut both = frame(1, 4, 2 * n + 1, &headers);
        both.extend(frame(3, 0, 2 * n + 1, &8_u32.to_be_bytes()));
        assault.send(&mut stream, &both)?;
    }
    Ok(())
}

/// Headers that do not end.
fn endless_headers(assault: &mut Assault<'_>) -> std::io::Result<()> {
    let mut stream = assault.begin()?;
    let headers = assault.headers();
    assault.send(&mut stream, &frame(1, 0, 1, &headers))?;
    let mut more = Vec::new();
    literal(&mut more, b"x", &[b'x'; 120]);
    let more = more.repeat(100);
    for _ in 0..1000 {
        assault.send(&mut stream, &frame(9, 0, 1, &more))?;
    }
    Ok(())
}

/// A message that says it is long, and as much of it as the service takes.
fn huge_message(assault: &mut Assault<'_>) -> std::io::Result<()> {
    let mut stream = assault.begin()?;
    let headers = assault.headers();
    assault.send(&mut stream, &frame(1, 4, 1, &headers))?;
    assault.send(&mut stream, &frame(0, 0, 1, b"\0\xff\xff\xff\xff"))?;
    for _ in 0..256 {
        assault.send(&mut stream, &frame(0, 0, 1, &[0; 16_000]))?;
    }
    let mut answer = [0; 1024];
    while stream.read(&mut answer)? > 0 {}
    Ok(())
}

/// Connections that go as soon as they have come.
fn come_and_go(assault: &mut Assault<'_>) -> std::io::Result<()> {
    for _ in 0..1000 {
        assault.connect()?;
    }
    Ok(())
}

/// The bytes that a text of hexadecimal digits means.
fn unhex(text: &str) -> anyhow::Result<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()).context("not hexadecimal"))
        .collect::<anyhow::Result<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    anyhow::ensure!(rest.is_empty(), "half a byte");
    Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

/// One HTTP/2 frame.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// One header without compression and without a place in the table; both lengths are under 127.
fn literal(block: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    block.push(0);
    for text in [name, value] {
        block.push(u8::try_from(text.len()).unwrap_or(126));
        block.extend(text);
    }
}
