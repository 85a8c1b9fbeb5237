//! The address of a socket, in the kinds of events that have one.

use event::Endpoint;
use secl::Value;

use crate::facts::Facts;
use crate::leaves;
use crate::row::OfEvent::One;
use crate::row::Shape::{Int, Net};
use crate::row::{OfEvent, Read, Row, row};

/// The event types.
pub(crate) const EVENTS: [&str; 2] = ["bind", "connect"];

/// Nothing for a kind that no probe of ours reports with an address.
pub(crate) fn read(event: &str, read: OfEvent) -> Read {
    if leaves::has_address(event) { Read::Event(read) } else { Read::Nothing }
}

pub(crate) const ROWS: [Row<OfEvent>; 3] = [
    row(
        "addr.family",
        Int,
        "address family",
        "== AF_INET",
        One(|facts| Value::Int(facts.address().map_or(0, |address| address.endpoint.family().into()))),
    ),
    row(
        "addr.ip",
        Net,
        "address",
        "in 10.0.0.0/8",
        One(|facts| ip(facts).map_or(Value::Text(b""), |(ip, _)| ip)),
    ),
    row("addr.port", Int, "port", "== 22", One(|facts| Value::Int(ip(facts).map_or(0, |(_, port)| port)))),
];

/// The IP address of the event and its port; a socket of another family has none.
fn ip(facts: &Facts<'_>) -> Option<(Value<'static>, i64)> {
    let Endpoint::Ip(ip, port) = facts.address()?.endpoint else { return None };
    Some((Value::Net(ip.into()), port.into()))
}
