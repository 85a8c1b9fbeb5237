//! What the record of each kind of event says.
//!
//! One arm for each kind: a kind that has none does not compile. An arm reads the struct of its record in
//! `ebpf/include/probe/events.h`, then the variable parts in the order that the struct states.

use std::net::IpAddr;
use std::sync::Arc;

use event::{
    Address, AddressState, Bind, Connect, Endpoint, Exec, Kind, Open, ProcessKey, Rename, Unlink, What,
};
use event_abi::{
    FileParts, Reader, address_info, bind_event, connect_event, event_kind, exec_event, exit_event,
    file_flag, fork_event, open_event, rename_event, socket_call, unlink_event,
};
use nix::libc;

use super::{DecodeError, Decoder, convert, exec_kind};

/// A kind without a place in the tables of the programs would be counted nowhere.
const _: () = {
    let mut place = 0;
    while place < Kind::COUNT {
        #[expect(clippy::indexing_slicing, reason = "a constant: it would not compile")]
        let number = Kind::ALL[place].number();
        assert!((number as u32) < event_kind::EVENT_KINDS.0, "a kind is not in enum event_kind of events.h");
        place += 1;
    }
};

impl Decoder {
    pub(super) fn what(&mut self, kind: Kind, record: &mut Reader<'_>) -> Result<What, DecodeError> {
        Ok(match kind {
            Kind::Exec => {
                let event: &exec_event = record.fixed()?;
                let (executable, script) = (record.file(&event.executable)?, record.file(&event.script)?);
                What::Exec(Arc::new(self.exec(event, executable, script)?))
            }
            Kind::Fork => {
                let event: &fork_event = record.fixed()?;
                What::Fork(ProcessKey { start_ns: event.parent_start_ns, tgid: event.task.ppid })
            }
            Kind::Exit => {
                let event: &exit_event = record.fixed()?;
                What::Exit(convert::exit_status(event.code))
            }
            Kind::Open => {
                let event: &open_event = record.fixed()?;
                let file = record.file(&event.file)?;
                What::Open(Open {
                    file: self.file(file, kind)?,
                    flags: event.flags,
                    mode: event.mode,
                    retval: event.retval,
                })
            }
            Kind::Unlink => {
                let event: &unlink_event = record.fixed()?;
                let file = record.file(&event.file)?;
                let file = self.file(file, kind)?;
                What::Unlink(Unlink { file, flags: event.flags, retval: event.retval })
            }
            Kind::Rename => {
                let event: &rename_event = record.fixed()?;
                let (file, destination) = (record.file(&event.file)?, record.file(&event.destination)?);
                What::Rename(Rename {
                    file: self.file(file, kind)?,
                    destination: self.file(destination, kind)?,
                    flags: event.flags,
                    retval: event.retval,
                })
            }
            Kind::Bind => {
                let event: &bind_event = record.fixed()?;
                let (address, protocol, retval) = socket(&event.call, record, kind)?;
                What::Bind(Bind { address, protocol, retval })
            }
            Kind::Connect => {
                let event: &connect_event = record.fixed()?;
                let (address, protocol, retval) = socket(&event.call, record, kind)?;
                What::Connect(Connect { address, protocol, retval })
            }
        })
    }

    fn exec(
        &mut self,
        event: &exec_event,
        executable: FileParts<'_>,
        script: FileParts<'_>,
    ) -> Result<Exec, DecodeError> {
        let (args, envs) = self.strings.take(event);
        let is_script = script.has(file_flag::FILE_PRESENT);
        Ok(Exec {
            kind: exec_kind(executable),
            executable: self.file(executable, Kind::Exec)?,
            script: is_script.then(|| self.file(script, Kind::Exec)).transpose()?,
            args,
            envs,
            tty: convert::text(&event.tty),
        })
    }
}

/// Address, protocol and result of a call that gives a socket an address.
fn socket(
    call: &socket_call,
    record: &mut Reader<'_>,
    kind: Kind,
) -> Result<(Address, u32, i32), DecodeError> {
    Ok((address(&call.address, record, kind)?, call.protocol, call.retval))
}

/// An address, with the bytes that follow of it.
fn address(info: &address_info, record: &mut Reader<'_>, kind: Kind) -> Result<Address, DecodeError> {
    let path = record.part(info.len.into())?;
    let state = AddressState::from_u8(info.state).ok_or(DecodeError::AddressState(info.state, kind))?;
    let [a, b, c, d, ..] = info.ip;
    let endpoint = match (i32::from(info.family), path) {
        (libc::AF_INET, _) => Endpoint::Ip(IpAddr::from([a, b, c, d]), info.port),
        (libc::AF_INET6, _) => Endpoint::Ip(IpAddr::from(info.ip), info.port),
        (libc::AF_UNIX, [0, name @ ..]) => Endpoint::Abstract(name.into()),
        // The kernel takes a path up to its first zero byte, or all of it.
        (libc::AF_UNIX, [_, ..]) => Endpoint::Path(convert::text(path)),
        _ => Endpoint::Family(info.family),
    };
    Ok(Address { endpoint, state })
}
