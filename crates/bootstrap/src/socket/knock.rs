//! Whether a service lets us in, found out before HTTP/2 begins.
//!
//! Our services speak first: settings when we may come in, and a farewell when not. HTTP libraries lose the reason when it
//! comes before the first call, so it is looked at here, without taking it out of the socket.

use std::io;
use std::os::fd::AsRawFd;

use nix::sys::socket::{MsgFlags, recv};
use tokio::io::Interest;
use tokio::net::UnixStream;

use super::farewell;

/// Waits for the first word of the service; gives why we are refused, if we are.
pub(super) async fn refusal(stream: &UnixStream) -> io::Result<Option<String>> {
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    loop {
        stream.readable().await?;
        let mut start = [0; 256];
        let peek = || recv(stream.as_raw_fd(), &mut start, flags).map_err(io::Error::from);
        match stream.try_io(Interest::READABLE, peek) {
            Ok(0) => return Ok(Some("it closes connections at once, it has too many".to_owned())),
            Ok(length) => return Ok(farewell::reason(start.get(..length).unwrap_or_default())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}
