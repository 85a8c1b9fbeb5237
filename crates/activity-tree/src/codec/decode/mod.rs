//! Messages as a tree: all eras (spec 6.3), trusting nothing.
//!
//! A message is read where it lies, its own fields first and then the nodes below it, so nothing is built but the tree.
//! Depth is bounded by what a view makes and the limits of the tree, space by its `max_bytes`.

mod leaves;
mod nodes;
mod settle;

use super::json::JsonError;
use super::messages::fields;
use super::wire::{Reader, WireError};
use crate::dump::{Context, Dump, EventTypeState, Metadata, Profile, Selector};
use crate::node::ROOT;
use crate::refusal::Refusal;
use crate::{Options, Tree};

/// Why bytes are no dump or profile.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// No protobuf.
    #[error("not a dump: {0}")]
    Wire(#[from] WireError),
    /// No JSON of these messages.
    #[error("not a dump: {0}")]
    Json(#[from] JsonError),
    /// No gzip.
    #[error("not gzip")]
    Gzip(#[source] std::io::Error),
    /// More than what is allowed.
    #[error("larger than {max_bytes} bytes")]
    TooLarge {
        /// What is allowed.
        max_bytes: usize,
    },
    /// A limit of the tree.
    #[error("a dump that no tree holds: {0}")]
    Refused(#[from] Refusal),
    /// A process without a program.
    #[error("a process has no executable")]
    NoExecutable,
}

type Result<T> = std::result::Result<T, DecodeError>;

pub(super) fn dump(bytes: &[u8], options: Options) -> Result<Dump> {
    let mut dump = Dump::new(options);
    fields(Reader::new(bytes), |field| {
        match field.number {
            1 => dump.host = field.string()?,
            2 => dump.service = field.string()?,
            3 => dump.source = field.string()?,
            4 => read_metadata(&mut dump.metadata, field.reader()?)?,
            5 => dump.tags.push(field.string()?),
            _ => {}
        }
        Ok::<_, DecodeError>(())
    })?;
    dump.tree = tree(bytes, options, dump.metadata.differentiate_args)?;
    Ok(dump)
}

pub(super) fn profile(bytes: &[u8], options: Options) -> Result<Profile> {
    let mut profile = Profile::new(Selector::default(), options);
    let (mut tags, mut syscalls) = (Vec::new(), Vec::new());
    fields(Reader::new(bytes), |field| {
        match field.number {
            3 => read_metadata(&mut profile.metadata, field.reader()?)?,
            4 => tags.push(field.string()?),
            5 => field.each_number(|number| syscalls.push(low(number)))?,
            7 => {
                let (mut tag, mut context) = (String::new(), Context::default());
                fields(field.reader()?, |field| {
                    match field.number {
                        1 => tag = field.string()?,
                        2 => read_context(&mut context, field.reader()?)?,
                        _ => {}
                    }
                    Ok::<_, WireError>(())
                })?;
                profile.contexts.insert(tag, context);
            }
            8 => fields(field.reader()?, |field| {
                match field.number {
                    1 => profile.selector.image_name = field.string()?,
                    2 => profile.selector.image_tag = field.string()?,
                    _ => {}
                }
                Ok::<_, WireError>(())
            })?,
            9 => profile.disabled = field.bool()?,
            _ => {}
        }
        Ok::<_, DecodeError>(())
    })?;
    before_contexts(&mut profile, tags, syscalls);
    profile.tree = tree(bytes, options, profile.metadata.differentiate_args)?;
    Ok(profile)
}

/// Until 2024-03 a profile was of one version, with all that at its top.
fn before_contexts(profile: &mut Profile, tags: Vec<String>, syscalls: Vec<u32>) {
    let value =
        |name: &str| tags.iter().find_map(|tag| tag.strip_prefix(name)).unwrap_or_default().to_owned();
    if profile.selector == Selector::default() {
        profile.selector = Selector { image_name: value("image_name:"), image_tag: value("image_tag:") };
    }
    if profile.contexts.is_empty() && !(tags.is_empty() && syscalls.is_empty()) {
        let tag = value("image_tag:");
        let (first_seen, last_seen) = (profile.metadata.start, profile.metadata.end);
        let context = Context { first_seen, last_seen, syscalls, tags, ..Context::default() };
        profile.contexts.insert(tag, context);
    }
}

fn read_metadata(m: &mut Metadata, reader: Reader<'_>) -> std::result::Result<(), WireError> {
    fields(reader, |field| {
        match field.number {
            1 => m.agent_version = field.string()?,
            2 => m.agent_commit = field.string()?,
            3 => m.kernel_version = field.string()?,
            4 => m.linux_distribution = field.string()?,
            5 => m.name = field.string()?,
            6 => m.protobuf_version = field.string()?,
            7 => m.differentiate_args = field.bool()?,
            8 => m.comm = field.string()?,
            9 => m.container_id = field.string()?,
            10 => m.start = field.u64()?,
            11 => m.end = field.u64()?,
            12 => m.size = field.u64()?,
            13 => m.arch = field.string()?,
            14 => m.serialization = field.string()?,
            15 => m.cgroup_id = field.string()?,
            16 => m.cgroup_manager = field.string()?,
            _ => {}
        }
        Ok(())
    })
}

fn read_context(context: &mut Context, reader: Reader<'_>) -> std::result::Result<(), WireError> {
    fields(reader, |field| {
        match field.number {
            1 => context.first_seen = field.u64()?,
            2 => context.last_seen = field.u64()?,
            3 => {
                let (mut kind, mut state) = (0, EventTypeState::default());
                fields(field.reader()?, |field| {
                    match field.number {
                        1 => kind = field.u32()?,
                        2 => fields(field.reader()?, |field| {
                            match field.number {
                                1 => state.last_anomaly = field.u64()?,
                                2 => state.state = field.u32()?,
                                _ => {}
                            }
                            Ok::<_, WireError>(())
                        })?,
                        _ => {}
                    }
                    Ok::<_, WireError>(())
                })?;
                context.event_types.insert(kind, state);
            }
            4 => field.each_number(|number| context.syscalls.push(low(number)))?,
            5 => context.tags.push(field.string()?),
            _ => {}
        }
        Ok(())
    })
}

fn low(number: u64) -> u32 {
    let [a, b, c, d, ..] = number.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// The tree of either message: its field 6.
fn tree(bytes: &[u8], options: Options, differentiate_args: bool) -> Result<Tree> {
    let options = Options { differentiate_args: options.differentiate_args || differentiate_args, ..options };
    let mut tree = Tree::new(options);
    fields(Reader::new(bytes), |field| {
        if field.number == 6 {
            nodes::read(&mut tree, field.reader()?, ROOT, ROOT, nodes::TOP)?;
        }
        Ok::<_, DecodeError>(())
    })?;
    tree.settle();
    Ok(tree)
}
