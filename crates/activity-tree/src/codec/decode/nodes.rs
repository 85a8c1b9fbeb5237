//! Processes and files, and what every node has in whichever form.

use std::borrow::Cow;

use super::leaves::{read_capability, read_device, read_dns, read_imds_node, read_socket, read_syscall};
use super::{DecodeError, Result, low};
use crate::codec::messages::{fields, read_file, read_open, read_process, read_rule, read_seen};
use crate::codec::wire::{Field, Reader};
use crate::insert::Mark;
use crate::model::{FileInfo, MatchedRule, Open, Process, Times};
use crate::node::{NodeKind, NodeRef, Place, ROOT, segments};
use crate::refusal::{MAX_LINEAGE, MAX_SEGMENTS, MAX_TEXT, Refusal};
use crate::view::MAX_CHAIN;
use crate::{Generation, Tree};

/// Processes one below the other in a file: what a view can make, which ends in a stub.
const MAX_DEPTH: usize = MAX_LINEAGE * MAX_CHAIN + 1;

/// What every node has, in whichever form.
#[derive(Default)]
pub(super) struct Common {
    seen: Vec<(String, Times)>,
    tags: Vec<String>,
    first_seen: u64,
    generation: Generation,
    rules: Vec<MatchedRule>,
}

impl Common {
    pub(super) fn rule(&mut self, field: Field<'_>) -> Result<()> {
        self.rules.push(read_rule(field.reader()?)?);
        Ok(())
    }

    pub(super) fn tag(&mut self, field: Field<'_>) -> Result<()> {
        self.tags.push(field.string()?);
        Ok(())
    }

    pub(super) fn base(&mut self, field: Field<'_>) -> Result<()> {
        Ok(read_seen(field.reader()?, |tag, times| self.seen.push((tag, times)))?)
    }

    pub(super) fn generation(&mut self, field: Field<'_>) -> Result<()> {
        self.generation = Generation::from_number(field.u64()?);
        Ok(())
    }

    /// The mark for a node, and all that is to be touched; a node is always seen in some version, if only an unknown one.
    pub(super) fn marks(&self, tree: &mut Tree) -> Result<(Mark, Vec<(u16, Times)>)> {
        if tree.is_full() || !tree.texts.has_room(1 << 22) {
            return Err(DecodeError::TooLarge { max_bytes: tree.options.max_bytes });
        }
        let mut marks = Vec::new();
        for (tag, times) in &self.seen {
            marks.push((tree.tag(tag)?, *times));
        }
        if self.seen.is_empty() {
            for tag in &self.tags {
                marks.push((tree.tag(tag)?, Times::at(self.first_seen)));
            }
        }
        if marks.is_empty() {
            marks.push((crate::tree::UNTAGGED, Times::at(self.first_seen)));
        }
        let tag = marks.first().map_or(crate::tree::UNTAGGED, |(tag, _)| *tag);
        Ok((Mark { tag, times: Times::default(), generation: self.generation }, marks))
    }

    pub(super) fn finish(&self, tree: &mut Tree, node: NodeRef, marks: &[(u16, Times)]) {
        marks.iter().for_each(|(tag, times)| tree.touch(node, *tag, *times));
        self.rules.iter().for_each(|rule| tree.put_rule(node, rule));
    }
}

/// How deep a process is.
#[derive(Clone, Copy)]
pub(super) struct Depth {
    /// In the file.
    shown: usize,
    /// Forks alone.
    forks: usize,
}

pub(super) const TOP: Depth = Depth { shown: 1, forks: 1 };

/// A process with everything below it. `above` is the node it stands below, in the group of `group`.
pub(super) fn read(tree: &mut Tree, reader: Reader<'_>, group: u32, above: u32, depth: Depth) -> Result<()> {
    if depth.shown > MAX_DEPTH {
        return Err(Refusal::TooDeep.into());
    }
    let (mut process, mut common) = (Process::default(), Common::default());
    fields(reader, |field| {
        match field.number {
            1 => read_process(&mut process, field.reader()?)?,
            8 => common.generation(field)?,
            9 => common.rule(field)?,
            10 => common.tag(field)?,
            14 => common.base(field)?,
            _ => {}
        }
        Ok::<_, DecodeError>(())
    })?;
    if process.file.path.is_empty() {
        return Err(DecodeError::NoExecutable);
    }
    if [&*process.file.path, &process.argv0].into_iter().any(|text| text.len() > MAX_TEXT) {
        return Err(Refusal::TextTooLong.into());
    }
    let is_exec = std::mem::take(&mut process.is_exec) && above != ROOT;
    let forks = if is_exec { depth.forks } else { depth.forks + usize::from(above != ROOT) };
    if forks > MAX_LINEAGE {
        return Err(Refusal::TooDeep.into());
    }
    let group = if is_exec { group } else { above };
    let (mark, marks) = common.marks(tree)?;
    let id = match tree.find_process(group, &process) {
        Some(id) => {
            tree.join_process(id, process, mark);
            id
        }
        None => tree.add_process(group, &process, mark),
    };
    if is_exec {
        tree.put_pred(id, above);
    }
    common.finish(tree, NodeKind::Process.at(id), &marks);
    fields(reader, |field| {
        match field.number {
            3 => read(tree, field.reader()?, group, id, Depth { shown: depth.shown + 1, forks })?,
            4 => {
                let below = tree.files.below(id);
                read_file_node(tree, field.reader()?, below, 1, "")?;
            }
            5 => read_dns(tree, field.reader()?, id)?,
            6 => read_socket(tree, field.reader()?, id)?,
            7 => {
                let mut numbers = Vec::new();
                field.each_number(|number| numbers.push(low(number)))?;
                for number in numbers {
                    let (mark, marks) = common.marks(tree)?;
                    let syscall = tree.put_syscall(id, number, mark);
                    marks.iter().for_each(|(tag, times)| {
                        tree.touch(NodeKind::Syscall.at(syscall), *tag, *times);
                    });
                }
            }
            11 => read_imds_node(tree, field.reader()?, id)?,
            12 => read_syscall(tree, field.reader()?, id)?,
            13 => read_device(tree, field.reader()?, id)?,
            15 => read_capability(tree, field.reader()?, id)?,
            _ => {}
        }
        Ok::<_, DecodeError>(())
    })
}

/// A file with everything below it.
fn read_file_node(tree: &mut Tree, reader: Reader<'_>, above: Place, depth: usize, path: &str) -> Result<()> {
    let (mut name, mut shape) = (Cow::Borrowed(""), Cow::Borrowed(""));
    let (mut file, mut open, mut common) = (None::<FileInfo<'_>>, None::<Open>, Common::default());
    fields(reader, |field| {
        match field.number {
            1 => name = field.text()?,
            2 => read_file(file.get_or_insert_default(), field.reader()?)?,
            4 => common.first_seen = field.u64()?,
            5 => read_open(open.get_or_insert_default(), field.reader()?)?,
            8 => common.generation(field)?,
            9 => common.rule(field)?,
            10 => common.tag(field)?,
            11 => common.base(field)?,
            1002 => shape = field.text()?,
            _ => {}
        }
        Ok::<_, DecodeError>(())
    })?;
    // A name of several segments, which nobody should write, is several nodes, and an empty one none.
    let (mut place, mut path, mut depth) = (above, path.to_owned(), depth);
    let mut last = None;
    for segment in segments(&name) {
        if depth > MAX_SEGMENTS {
            return Err(Refusal::TooDeep.into());
        }
        if segment.len() > MAX_TEXT {
            return Err(Refusal::TextTooLong.into());
        }
        path.push('/');
        path.push_str(segment);
        let (mark, marks) = common.marks(tree)?;
        let (id, next) = tree.put_segment(place, segment, mark);
        marks.iter().for_each(|(tag, times)| tree.touch(NodeKind::File.at(id), *tag, *times));
        (place, last) = (next, Some(id));
        depth += 1;
    }
    if let Some(id) = last {
        tree.put_signature(id, &shape);
        tree.join_leaf_with(id, &path, file, open);
        common.finish(tree, NodeKind::File.at(id), &[]);
    } else {
        // Without a name there is nothing that bounds the depth.
        depth += 1;
        if depth > MAX_SEGMENTS {
            return Err(Refusal::TooDeep.into());
        }
    }
    fields(reader, |field| {
        if field.number == 6 {
            read_file_node(tree, field.reader()?, place, depth, &path)?;
        }
        Ok::<_, DecodeError>(())
    })
}
