//! The kinds of events, each described once.
//!
//! A folder-mate of this file holds the kinds of one group: number, name, category, ring, and the fields with their
//! [leaf types](crate::Leaf). Everything that treats all kinds alike follows from that by [`What::visit`] and
//! [`What::build`]: the columns of the wire, captures, weights, strategies for tests, the line on a terminal, lists,
//! counters and `docs/events.md`. Invariants: numbers of kinds and of fields are never reused; a field that is added
//! stands last; kinds have the numbers of `ebpf/include/probe/events.h`, below [`Kind::MAX_NUMBER`].

use std::sync::Arc;

use crate::leaf::{Builder, Field, Leaf, Visitor};
use crate::{Exec, ExitStatus, File, ProcessKey};

/// What an event is about: `evt.category` of the event JSON is made from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Category {
    /// Programs and processes.
    Process,
    /// Files and file systems.
    File,
    /// Sockets.
    Network,
}

/// Which kernel ring carries a kind, and when it is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ring {
    /// What the process table and the security of the host depend on: dropped last.
    NeverDrop,
    /// What busy workloads do thousands of times a second: dropped first.
    Bulk,
}

/// The type that holds the value of a leaf.
macro_rules! leaf_value {
    (File) => { Arc<File> };
    (Program) => { Arc<Exec> };
    (Process) => { ProcessKey };
    (Status) => { ExitStatus };
    (Address) => { crate::Address };
    (Text) => { crate::Text };
    (Flags $table:ident) => { u32 };
    (Number $table:ident) => { u32 };
    (Mode) => { u32 };
    (Descriptor) => { i32 };
    (Errno) => { i32 };
}

macro_rules! leaf_type {
    (Flags $table:ident) => {
        Leaf::Flags(&crate::flags::$table)
    };
    (Number $table:ident) => {
        Leaf::Number(&crate::names::$table)
    };
    ($leaf:ident) => {
        Leaf::$leaf
    };
}

macro_rules! visit_leaf {
    ($visitor:ident, $field:expr, $value:expr, File) => {
        $visitor.file($field, $value)
    };
    ($visitor:ident, $field:expr, $value:expr, Program) => {
        $visitor.program($field, $value)
    };
    ($visitor:ident, $field:expr, $value:expr, Process) => {
        $visitor.process($field, *$value)
    };
    ($visitor:ident, $field:expr, $value:expr, Status) => {
        $visitor.status($field, *$value)
    };
    ($visitor:ident, $field:expr, $value:expr, Address) => {
        $visitor.address($field, $value)
    };
    ($visitor:ident, $field:expr, $value:expr, Text) => {
        $visitor.text($field, $value)
    };
    ($visitor:ident, $field:expr, $value:expr, Flags $table:ident) => {
        $visitor.flags($field, &crate::flags::$table, *$value)
    };
    ($visitor:ident, $field:expr, $value:expr, Number $table:ident) => {
        $visitor.number($field, &crate::names::$table, *$value)
    };
    ($visitor:ident, $field:expr, $value:expr, Mode) => {
        $visitor.mode($field, *$value)
    };
    ($visitor:ident, $field:expr, $value:expr, Descriptor) => {
        $visitor.descriptor($field, *$value)
    };
    ($visitor:ident, $field:expr, $value:expr, Errno) => {
        $visitor.errno($field, *$value)
    };
}

macro_rules! build_leaf {
    ($builder:ident, $field:expr, File) => {
        $builder.file($field)?
    };
    ($builder:ident, $field:expr, Program) => {
        $builder.program($field)?
    };
    ($builder:ident, $field:expr, Process) => {
        $builder.process($field)?
    };
    ($builder:ident, $field:expr, Status) => {
        $builder.status($field)?
    };
    ($builder:ident, $field:expr, Address) => {
        $builder.address($field)?
    };
    ($builder:ident, $field:expr, Text) => {
        $builder.text($field)?
    };
    ($builder:ident, $field:expr, Flags $table:ident) => {
        $builder.flags($field, &crate::flags::$table)?
    };
    ($builder:ident, $field:expr, Number $table:ident) => {
        $builder.number($field, &crate::names::$table)?
    };
    ($builder:ident, $field:expr, Mode) => {
        $builder.mode($field)?
    };
    ($builder:ident, $field:expr, Descriptor) => {
        $builder.descriptor($field)?
    };
    ($builder:ident, $field:expr, Errno) => {
        $builder.errno($field)?
    };
}

/// The payload of a kind: a struct with its fields, or the value of its only leaf.
macro_rules! payload {
    ($(#[doc = $doc:literal])+ $kind:ident { $(
        $(#[doc = $about:literal])+
        $name:literal: $leaf:ident $(($table:ident))? => $member:ident,
    )+ }) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $kind { $( $(#[doc = $about])+ pub $member: leaf_value!($leaf $($table)?), )+ }
    };
    ($(#[doc = $doc:literal])+ $kind:ident ( $($only:tt)+ )) => {};
}

macro_rules! payload_type {
    ($kind:ident { $($fields:tt)+ }) => { $kind };
    ($kind:ident ( $(#[doc = $about:literal])+ $name:literal: $leaf:ident $(($table:ident))? )) => {
        leaf_value!($leaf $($table)?)
    };
}

macro_rules! field {
    ($kind_name:literal, $name:literal, $leaf:ident $(($table:ident))?, $($about:literal)+) => {
        Field {
            name: $name,
            path: concat!($kind_name, ".", $name),
            leaf: leaf_type!($leaf $($table)?),
            about: concat!($($about),+),
        }
    };
}

macro_rules! fields {
    ($kind_name:literal { $(
        $(#[doc = $about:literal])+
        $name:literal: $leaf:ident $(($table:ident))? => $member:ident,
    )+ }) => {
        &[$( field!($kind_name, $name, $leaf $(($table))?, $($about)+) ),+]
    };
    ($kind_name:literal ( $(#[doc = $about:literal])+ $name:literal: $leaf:ident $(($table:ident))? )) => {
        &[field!($kind_name, $name, $leaf $(($table))?, $($about)+)]
    };
}

macro_rules! only {
    ($kind_name:literal { $($fields:tt)+ }) => { None };
    ($kind_name:literal $only:tt) => { const { fields!($kind_name $only) }.first() };
}

macro_rules! visit {
    ($payload:ident, $visitor:ident, $kind_name:literal { $(
        $(#[doc = $about:literal])+
        $name:literal: $leaf:ident $(($table:ident))? => $member:ident,
    )+ }) => {{ $(
        visit_leaf!(
            $visitor,
            const { &field!($kind_name, $name, $leaf $(($table))?, $($about)+) },
            &$payload.$member,
            $leaf $($table)?
        );
    )+ }};
    ($payload:ident, $visitor:ident, $kind_name:literal (
        $(#[doc = $about:literal])+ $name:literal: $leaf:ident $(($table:ident))?
    )) => {
        visit_leaf!(
            $visitor,
            const { &field!($kind_name, $name, $leaf $(($table))?, $($about)+) },
            $payload,
            $leaf $($table)?
        )
    };
}

macro_rules! build {
    ($kind:ident, $builder:ident, $kind_name:literal { $(
        $(#[doc = $about:literal])+
        $name:literal: $leaf:ident $(($table:ident))? => $member:ident,
    )+ }) => {
        $kind { $(
            $member: build_leaf!(
                $builder,
                const { &field!($kind_name, $name, $leaf $(($table))?, $($about)+) },
                $leaf $($table)?
            ),
        )+ }
    };
    ($kind:ident, $builder:ident, $kind_name:literal (
        $(#[doc = $about:literal])+ $name:literal: $leaf:ident $(($table:ident))?
    )) => {
        build_leaf!(
            $builder,
            const { &field!($kind_name, $name, $leaf $(($table))?, $($about)+) },
            $leaf $($table)?
        )
    };
}

/// Makes everything from the descriptions of all kinds.
macro_rules! describe {
    ($(
        $(#[doc = $doc:literal])+
        $kind:ident = $number:literal, $name:literal, category: $category:ident, ring: $ring:ident, $body:tt
    )+) => {
        /// The kinds of events a probe reports. The discriminants are those of `ebpf/include/probe/events.h`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum Kind { $( $(#[doc = $doc])+ $kind = $number, )+ }

        /// The place of each kind in [`Kind::ALL`].
        enum Place { $( $kind, )+ }

        impl Kind {
            /// How many kinds there are.
            pub const COUNT: usize = [$( Self::$kind ),+].len();

            /// Every kind, in the order of the descriptions.
            pub const ALL: [Self; Self::COUNT] = [$( Self::$kind ),+];

            /// The name used in the event JSON (`evt.name`), in rules, metrics and on the command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Self::$kind => $name, )+ }
            }

            /// What it is about.
            #[must_use]
            pub const fn category(self) -> Category {
                match self { $( Self::$kind => Category::$category, )+ }
            }

            /// Which ring carries it.
            #[must_use]
            pub const fn ring(self) -> Ring {
                match self { $( Self::$kind => Ring::$ring, )+ }
            }

            /// Position in [`Kind::ALL`], for tables indexed by kind.
            #[must_use]
            pub const fn index(self) -> usize {
                match self { $( Self::$kind => Place::$kind as usize, )+ }
            }

            /// Its fields, in the order in which they are visited.
            #[must_use]
            pub const fn fields(self) -> &'static [Field] {
                match self { $( Self::$kind => const { fields!($name $body) }, )+ }
            }

            /// Its only field, if the payload is the value of that and no struct.
            #[must_use]
            pub const fn only(self) -> Option<&'static Field> {
                match self { $( Self::$kind => only!($name $body), )+ }
            }

            /// What it means, a sentence.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $( Self::$kind => concat!($($doc),+), )+ }
            }

            /// The kind with this number, if there is one.
            #[must_use]
            pub const fn from_number(number: u16) -> Option<Self> {
                match number { $( $number => Some(Self::$kind), )+ _ => None }
            }
        }

        /// What happened. Variants stay small; long parts are shared.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum What { $( $(#[doc = $doc])+ $kind(payload_type!($kind $body)), )+ }

        impl What {
            /// The kind of it.
            #[must_use]
            pub const fn kind(&self) -> Kind {
                match self { $( Self::$kind(_) => Kind::$kind, )+ }
            }

            /// Shows every field to the visitor, in the order of [`Kind::fields`].
            #[inline]
            pub fn visit<'a>(&'a self, visitor: &mut impl Visitor<'a>) {
                match self { $( Self::$kind(payload) => visit!(payload, visitor, $name $body), )+ }
            }

            /// Asks the builder for every field, in the order of [`Kind::fields`]: what [`Self::visit`] shows of the
            /// result is what the builder gave.
            ///
            /// # Errors
            /// The first one of the builder.
            #[inline]
            pub fn build<B: Builder>(kind: Kind, builder: &mut B) -> Result<Self, B::Error> {
                Ok(match kind { $( Kind::$kind => Self::$kind(build!($kind, builder, $name $body)), )+ })
            }
        }

        $( payload! { $(#[doc = $doc])+ $kind $body } )+
    };
}

/// Hands the descriptions so far to the next group, at the end to [`describe`].
macro_rules! next_group {
    ([] $($kinds:tt)+) => { describe! { $($kinds)+ } };
    ([$next:ident $($groups:ident)*] $($kinds:tt)*) => { $next! { [$($groups)*] $($kinds)* } };
}

#[macro_use]
mod file;
#[macro_use]
mod network;
#[macro_use]
mod process;

next_group! { [process_kinds file_kinds network_kinds] }

impl Kind {
    /// The largest number that a kind may have; the records that serve the probe have larger ones.
    pub const MAX_NUMBER: u16 = 255;

    /// The number that stands for it in records and on the wire.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The kind with this name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The names of all kinds, for people: `exec, fork, exit and open`.
    #[must_use]
    pub fn names() -> String {
        let [others @ .., last] = Self::ALL.map(Self::name);
        format!("{} and {last}", others.join(", "))
    }
}

#[cfg(test)]
mod tests;
