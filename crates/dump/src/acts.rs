//! What an event is for a tree.

use activity_tree::{Bind, EventType, FileInfo, Open, What, reduce};
use event::{Endpoint, Event, Kind, PathState};

const EPERM: i32 = -1;
const EACCES: i32 = -13;

/// Why there is nothing to put into a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// Trees have no node for such an event.
    NoNode,
    /// The path of the file is not known.
    NoPath,
}

/// The event type of a kind, which has the same name; none if trees have no node for it.
pub(crate) fn event_type(kind: Kind) -> Option<EventType> {
    EventType::ALL.into_iter().find(|known| *known != EventType::Other && known.name() == kind.name())
}

/// Shows what was done to `take`. `at_ns` is when, since the epoch. A kind that is not here has no node.
pub(crate) fn act<R>(event: &Event, at_ns: u64, take: impl FnOnce(What<'_>) -> R) -> Result<R, Left> {
    if let event::What::Exec(_) = &event.what {
        return Ok(take(What::Exec));
    }
    if let event::What::Exit(_) = &event.what {
        return Ok(take(What::Exit(at_ns)));
    }
    if let event::What::Open(open) = &event.what {
        return opened(event, open, take);
    }
    if let event::What::Bind(bind) = &event.what {
        return bound(bind, take);
    }
    Err(Left::NoNode)
}

fn opened<R>(event: &Event, open: &event::Open, take: impl FnOnce(What<'_>) -> R) -> Result<R, Left> {
    // What was refused was reached; what is not there was not.
    let is_refused = [EPERM, EACCES].contains(&open.retval);
    if open.retval < 0 && !is_refused || open.file.path_state == PathState::NoPlace {
        return Err(Left::NoNode);
    }
    let known = FileInfo::from_file(&open.file);
    let is_whole = matches!(open.file.path_state, PathState::Resolved | PathState::Argument);
    if !is_whole || !known.path.starts_with('/') {
        return Err(Left::NoPath);
    }
    let path = reduce(&known.path, event.task.process.tgid, Some(&known.filesystem)).into_owned();
    let file = FileInfo { path: path.clone().into(), ..known };
    let how = Open { retval: open.retval.into(), flags: open.flags, mode: open.mode };
    Ok(take(What::Open { path: &path, file: Some(&file), open: how }))
}

fn bound<R>(bind: &event::Bind, take: impl FnOnce(What<'_>) -> R) -> Result<R, Left> {
    let Endpoint::Ip(ip, port) = &bind.address.endpoint else { return Err(Left::NoNode) };
    if bind.retval != 0 {
        return Err(Left::NoNode);
    }
    let address = Bind {
        family: bind.address.endpoint.family_name().into(),
        ip: ip.to_string().into(),
        port: *port,
        protocol: u16::try_from(bind.protocol).unwrap_or(u16::MAX),
    };
    Ok(take(What::Bind(address, 0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kind that has a node must be told to trees: this list is to grow with [`act`].
    #[test]
    fn every_kind_that_has_a_node_is_put_into_it() {
        let with_node: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| event_type(*kind).is_some()).collect();
        assert_eq!(with_node, [Kind::Exec, Kind::Exit, Kind::Open, Kind::Bind]);
    }
}
