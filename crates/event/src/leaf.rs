//! The typed leaves of a kind's description, and the two ways through them.
//!
//! What treats all kinds alike is a [`Visitor`] or a [`Builder`] with one method for each leaf type and knows no kind.
//! No method has a default, so that a new leaf type does not compile until every one of them has been thought about.

use std::sync::Arc;

use crate::flags::Flags;
use crate::{Address, Exec, ExitStatus, File, Names, ProcessKey, Text};

/// The type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaf {
    /// A file.
    File,
    /// A program with its arguments and environment.
    Program,
    /// Identity of a process.
    Process,
    /// How a process ended.
    Status,
    /// The address of a socket.
    Address,
    /// Bytes that are usually text.
    Text,
    /// Bits with names.
    Flags(&'static Flags),
    /// A number that is one of several with names.
    Number(&'static Names),
    /// Permission bits, which people write in octal.
    Mode,
    /// A descriptor, or the negative errno.
    Descriptor,
    /// 0, or the negative errno.
    Errno,
}

impl Leaf {
    /// Its name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Program => "program",
            Self::Process => "process",
            Self::Status => "exit status",
            Self::Address => "address",
            Self::Text => "text",
            Self::Flags(_) => "flags",
            Self::Number(_) => "number with a name",
            Self::Mode => "mode",
            Self::Descriptor => "descriptor or −errno",
            Self::Errno => "0 or −errno",
        }
    }
}

/// One field of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name within the kind: `flags`.
    pub name: &'static str,
    /// With the name of the kind in front: `open.flags`.
    pub path: &'static str,
    /// Its type.
    pub leaf: Leaf,
    /// What it means, a sentence.
    pub about: &'static str,
}

/// Sees every field of an event.
pub trait Visitor<'a> {
    /// A file.
    fn file(&mut self, field: &'static Field, file: &'a Arc<File>);
    /// A program.
    fn program(&mut self, field: &'static Field, exec: &'a Arc<Exec>);
    /// Identity of a process.
    fn process(&mut self, field: &'static Field, key: ProcessKey);
    /// How a process ended.
    fn status(&mut self, field: &'static Field, status: ExitStatus);
    /// The address of a socket.
    fn address(&mut self, field: &'static Field, address: &'a Address);
    /// Bytes that are usually text.
    fn text(&mut self, field: &'static Field, text: &'a Text);
    /// Bits with names.
    fn flags(&mut self, field: &'static Field, names: &'static Flags, flags: u32);
    /// A number that is one of several with names.
    fn number(&mut self, field: &'static Field, names: &'static Names, number: u32);
    /// Permission bits.
    fn mode(&mut self, field: &'static Field, mode: u32);
    /// A descriptor or the negative errno.
    fn descriptor(&mut self, field: &'static Field, retval: i32);
    /// 0 or the negative errno.
    fn errno(&mut self, field: &'static Field, retval: i32);
}

/// Gives every field of an event. Each method says why a field cannot be had.
pub trait Builder {
    /// Why a field cannot be had.
    type Error;

    /// A file.
    fn file(&mut self, field: &'static Field) -> Result<Arc<File>, Self::Error>;
    /// A program.
    fn program(&mut self, field: &'static Field) -> Result<Arc<Exec>, Self::Error>;
    /// Identity of a process.
    fn process(&mut self, field: &'static Field) -> Result<ProcessKey, Self::Error>;
    /// How a process ended.
    fn status(&mut self, field: &'static Field) -> Result<ExitStatus, Self::Error>;
    /// The address of a socket.
    fn address(&mut self, field: &'static Field) -> Result<Address, Self::Error>;
    /// Bytes that are usually text.
    fn text(&mut self, field: &'static Field) -> Result<Text, Self::Error>;
    /// Bits with names.
    fn flags(&mut self, field: &'static Field, names: &'static Flags) -> Result<u32, Self::Error>;
    /// A number that is one of several with names.
    fn number(&mut self, field: &'static Field, names: &'static Names) -> Result<u32, Self::Error>;
    /// Permission bits.
    fn mode(&mut self, field: &'static Field) -> Result<u32, Self::Error>;
    /// A descriptor or the negative errno.
    fn descriptor(&mut self, field: &'static Field) -> Result<i32, Self::Error>;
    /// 0 or the negative errno.
    fn errno(&mut self, field: &'static Field) -> Result<i32, Self::Error>;
}
