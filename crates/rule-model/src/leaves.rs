//! The leaves of an event that rules ask for by their field, whatever its kind is; so a kind that is described is filled.

use std::sync::Arc;

use event::{
    Address, Exec, ExitStatus, Field, File, Flags, Kind, Leaf, Names, ProcessKey, Text, Visitor, What,
};

/// The kind that has this field, `rename.file.destination`, if it is a file, and its place among the files of the kind.
pub(crate) fn file_field(path: &str) -> Option<(Kind, usize)> {
    let place = |kind: Kind| {
        let mut files = kind.fields().iter().filter(|field| field.leaf == Leaf::File);
        files.position(|field| field.path == path).map(|place| (kind, place))
    };
    Kind::ALL.into_iter().find_map(place)
}

/// Whether events of this name have what their system call returned.
pub(crate) fn has_retval(event: &str) -> bool {
    let is_result = |field: &Field| matches!(field.leaf, Leaf::Errno | Leaf::Descriptor);
    Kind::from_name(event).is_some_and(|kind| kind.fields().iter().any(is_result))
}

/// Whether events of this name have an address.
pub(crate) fn has_address(event: &str) -> bool {
    Kind::from_name(event).is_some_and(|kind| kind.fields().iter().any(|field| field.leaf == Leaf::Address))
}

/// The file at this place of an event, if it is of this kind.
pub(crate) fn file(what: &What, kind: Kind, place: usize) -> Option<&File> {
    if what.kind() != kind {
        return None;
    }
    let mut leaves = Leaves { before: place, file: None, address: None };
    what.visit(&mut leaves);
    leaves.file
}

/// The address of an event.
pub(crate) fn address(what: &What) -> Option<&Address> {
    let mut leaves = Leaves { before: 0, file: None, address: None };
    what.visit(&mut leaves);
    leaves.address
}

struct Leaves<'a> {
    /// Files to pass over.
    before: usize,
    file: Option<&'a File>,
    address: Option<&'a Address>,
}

impl<'a> Visitor<'a> for Leaves<'a> {
    fn file(&mut self, _: &'static Field, file: &'a Arc<File>) {
        match self.before.checked_sub(1) {
            Some(before) => self.before = before,
            None => self.file = self.file.or(Some(file)),
        }
    }

    fn address(&mut self, _: &'static Field, address: &'a Address) {
        self.address = self.address.or(Some(address));
    }

    // What rules ask of these is read by rows of their own.
    fn program(&mut self, _: &'static Field, _: &'a Arc<Exec>) {}
    fn process(&mut self, _: &'static Field, _: ProcessKey) {}
    fn status(&mut self, _: &'static Field, _: ExitStatus) {}
    fn text(&mut self, _: &'static Field, _: &'a Text) {}
    fn flags(&mut self, _: &'static Field, _: &'static Flags, _: u32) {}
    fn number(&mut self, _: &'static Field, _: &'static Names, _: u32) {}
    fn mode(&mut self, _: &'static Field, _: u32) {}
    fn descriptor(&mut self, _: &'static Field, _: i32) {}
    fn errno(&mut self, _: &'static Field, _: i32) {}
}
