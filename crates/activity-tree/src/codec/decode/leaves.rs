//! What processes do beside opening files.

use std::borrow::Cow;

use super::nodes::Common;
use super::{DecodeError, Result};
use crate::Tree;
use crate::codec::messages::{fields, imds_bytes, read_imds};
use crate::codec::wire::{Reader, WireError};
use crate::look::lower;
use crate::model::{Bind, Device, Flow, Imds, Traffic};
use crate::node::{NodeKind, QuestionNode};
use crate::refusal::{MAX_TEXT, Refusal};

pub(super) fn read_dns(tree: &mut Tree, reader: Reader<'_>, process: u32) -> Result<()> {
    let (mut name, mut common) = (None::<Cow<'_, str>>, Common::default());
    let mut questions = Vec::new();
    fields(reader, |field| {
        match field.number {
            1 => {
                let mut question = QuestionNode { name: 0, qtype: 0, class: 0, size: 0, count: 0 };
                fields(field.reader()?, |field| {
                    match field.number {
                        // The first request names the node (spec 5.4).
                        1 if name.is_none() => name = Some(field.text()?),
                        2 => question.qtype = field.u16()?,
                        3 => question.class = field.u16()?,
                        4 => question.size = field.u16()?,
                        5 => question.count = field.u16()?,
                        _ => {}
                    }
                    Ok::<_, WireError>(())
                })?;
                questions.push(question);
            }
            2 => common.rule(field)?,
            3 => common.tag(field)?,
            4 => common.base(field)?,
            1001 => common.generation(field)?,
            _ => {}
        }
        Ok::<_, DecodeError>(())
    })?;
    let name = match name {
        Some(name) if name.len() > MAX_TEXT => return Err(Refusal::TextTooLong.into()),
        Some(name) => name,
        // Of requests for the root of all names, or of none at all.
        None if questions.is_empty() => return Ok(()),
        None => Cow::Borrowed(""),
    };
    let (mark, marks) = common.marks(tree)?;
    let id = tree.put_name(process, &lower(&name), mark);
    questions.into_iter().for_each(|question| tree.join_question(QuestionNode { name: id, ..question }));
    common.finish(tree, NodeKind::Name.at(id), &marks);
    Ok(())
}

pub(super) fn read_socket(tree: &mut Tree, reader: Reader<'_>, process: u32) -> Result<()> {
    let mut family = Cow::Borrowed("");
    fields(reader, |field| {
        if field.number == 1 {
            family = field.text()?;
        }
        Ok::<_, WireError>(())
    })?;
    fields(reader, |field| {
        if field.number == 2 {
            let (mut bind, mut common) =
                (Bind { family: family.clone(), ..Bind::default() }, Common::default());
            fields(field.reader()?, |field| {
                match field.number {
                    1 => bind.port = field.u16()?,
                    2 => bind.ip = field.text()?,
                    3 => common.rule(field)?,
                    4 => common.tag(field)?,
                    5 => bind.protocol = field.u16()?,
                    6 => common.base(field)?,
                    1001 => common.generation(field)?,
                    _ => {}
                }
                Ok::<_, DecodeError>(())
            })?;
            let (mark, marks) = common.marks(tree)?;
            let node = tree.put_bind(process, &bind, mark);
            common.finish(tree, node, &marks);
        }
        Ok(())
    })
}

pub(super) fn read_imds_node(tree: &mut Tree, reader: Reader<'_>, process: u32) -> Result<()> {
    let (mut imds, mut common) = (Imds::default(), Common::default());
    fields(reader, |field| {
        match field.number {
            1 => common.rule(field)?,
            2 => common.tag(field)?,
            3 => read_imds(&mut imds, field.reader()?)?,
            4 => common.base(field)?,
            1001 => common.generation(field)?,
            _ => {}
        }
        Ok::<_, DecodeError>(())
    })?;
    let (mark, marks) = common.marks(tree)?;
    let node = tree.put_imds(process, &imds_bytes(&imds), mark);
    common.finish(tree, node, &marks);
    Ok(())
}

pub(super) fn read_syscall(tree: &mut Tree, reader: Reader<'_>, process: u32) -> Result<()> {
    let (mut number, mut common) = (0, Common::default());
    fields(reader, |field| {
        match field.number {
            1 => common.tag(field)?,
            2 => number = field.u32()?,
            3 => common.base(field)?,
            1001 => common.generation(field)?,
            _ => {}
        }
        Ok::<_, DecodeError>(())
    })?;
    let (mark, marks) = common.marks(tree)?;
    let id = tree.put_syscall(process, number, mark);
    common.finish(tree, NodeKind::Syscall.at(id), &marks);
    Ok(())
}

pub(super) fn read_capability(tree: &mut Tree, reader: Reader<'_>, process: u32) -> Result<()> {
    let (mut number, mut is_held, mut common) = (0, false, Common::default());
    fields(reader, |field| {
        match field.number {
            1 => common.base(field)?,
            2 => number = field.u32()?,
            3 => is_held = field.bool()?,
            1001 => common.generation(field)?,
            _ => {}
        }
        Ok::<_, DecodeError>(())
    })?;
    let (mark, marks) = common.marks(tree)?;
    let id = tree.put_capability(process, number, is_held, mark);
    common.finish(tree, NodeKind::Capability.at(id), &marks);
    Ok(())
}

pub(super) fn read_device(tree: &mut Tree, reader: Reader<'_>, process: u32) -> Result<()> {
    let (mut device, mut common) = (Device::default(), Common::default());
    fields(reader, |field| {
        match field.number {
            1 => common.rule(field)?,
            2 => device.netns = field.u32()?,
            3 => device.ifindex = field.u32()?,
            4 => device.ifname = field.text()?,
            _ => {}
        }
        Ok::<_, DecodeError>(())
    })?;
    if tree.is_full() {
        return Err(DecodeError::TooLarge { max_bytes: tree.options.max_bytes });
    }
    let id = tree.put_device(process, &device);
    common.finish(tree, NodeKind::Device.at(id), &[]);
    fields(reader, |field| {
        if field.number == 5 {
            read_flow(tree, field.reader()?, id)?;
        }
        Ok(())
    })
}

fn read_flow(tree: &mut Tree, reader: Reader<'_>, device: u32) -> Result<()> {
    let (mut flow, mut common) = (Flow::default(), Common::default());
    fields(reader, |field| {
        match field.number {
            1 => common.tag(field)?,
            2 => read_end(&mut flow.source, field.reader()?)?,
            3 => read_end(&mut flow.destination, field.reader()?)?,
            4 => flow.l3_protocol = field.u16()?,
            5 => flow.l4_protocol = field.u16()?,
            6 => read_traffic(&mut flow.ingress, field.reader()?)?,
            7 => read_traffic(&mut flow.egress, field.reader()?)?,
            8 => common.base(field)?,
            1001 => common.generation(field)?,
            _ => {}
        }
        Ok::<_, DecodeError>(())
    })?;
    let (mark, marks) = common.marks(tree)?;
    let id = tree.put_flow(device, &flow, mark, u64::max);
    common.finish(tree, NodeKind::Flow.at(id), &marks);
    Ok(())
}

fn read_end<'a>(end: &mut (Cow<'a, str>, u16), reader: Reader<'a>) -> Result<()> {
    fields(reader, |field| {
        match field.number {
            1 => end.0 = field.text()?,
            2 => end.1 = field.u16()?,
            _ => {}
        }
        Ok(())
    })
}

fn read_traffic(traffic: &mut Traffic, reader: Reader<'_>) -> Result<()> {
    fields(reader, |field| {
        match field.number {
            1 => traffic.bytes = field.u64()?,
            2 => traffic.packets = field.u64()?,
            _ => {}
        }
        Ok(())
    })
}
