//! Questions to an event that need few of its fields.
//!
//! Each is a visitor that passes over all other leaf types, so it stands here once and not at everybody who asks.

use std::sync::Arc;

use crate::{
    Address, Endpoint, Exec, ExitStatus, Field, File, Flags, Names, ProcessKey, Text, Visitor, What,
};

/// What events share with each other, and what makes one large.
#[derive(Debug, Clone, Copy)]
pub enum Shared<'a> {
    /// A file.
    File(&'a Arc<File>),
    /// A program.
    Program(&'a Arc<Exec>),
    /// A text.
    Text(&'a Text),
}

impl What {
    /// The result of the call, if it has one: below 0 is an errno.
    #[must_use]
    #[inline]
    pub fn retval(&self) -> Option<i32> {
        let mut result = Retval(None);
        self.visit(&mut result);
        result.0
    }

    /// Gives each file, program and text of it to `each`, in the order of the fields.
    #[inline]
    pub fn each_shared<'a>(&'a self, each: impl FnMut(Shared<'a>)) {
        self.visit(&mut EachShared(each));
    }
}

struct Retval(Option<i32>);

impl<'a> Visitor<'a> for Retval {
    fn file(&mut self, _: &'static Field, _: &'a Arc<File>) {}
    fn program(&mut self, _: &'static Field, _: &'a Arc<Exec>) {}
    fn process(&mut self, _: &'static Field, _: ProcessKey) {}
    fn status(&mut self, _: &'static Field, _: ExitStatus) {}
    fn address(&mut self, _: &'static Field, _: &'a Address) {}
    fn text(&mut self, _: &'static Field, _: &'a Text) {}
    fn flags(&mut self, _: &'static Field, _: &'static Flags, _: u32) {}
    fn number(&mut self, _: &'static Field, _: &'static Names, _: u32) {}
    fn mode(&mut self, _: &'static Field, _: u32) {}

    fn descriptor(&mut self, _: &'static Field, retval: i32) {
        self.0 = Some(retval);
    }

    fn errno(&mut self, _: &'static Field, retval: i32) {
        self.0 = Some(retval);
    }
}

struct EachShared<F>(F);

impl<'a, F: FnMut(Shared<'a>)> Visitor<'a> for EachShared<F> {
    fn file(&mut self, _: &'static Field, file: &'a Arc<File>) {
        (self.0)(Shared::File(file));
    }

    fn program(&mut self, _: &'static Field, exec: &'a Arc<Exec>) {
        (self.0)(Shared::Program(exec));
    }

    fn process(&mut self, _: &'static Field, _: ProcessKey) {}
    fn status(&mut self, _: &'static Field, _: ExitStatus) {}
    fn address(&mut self, _: &'static Field, address: &'a Address) {
        match &address.endpoint {
            Endpoint::Path(text) | Endpoint::Abstract(text) => (self.0)(Shared::Text(text)),
            Endpoint::Ip(..) | Endpoint::Family(_) => {}
        }
    }

    fn text(&mut self, _: &'static Field, text: &'a Text) {
        (self.0)(Shared::Text(text));
    }

    fn flags(&mut self, _: &'static Field, _: &'static Flags, _: u32) {}
    fn number(&mut self, _: &'static Field, _: &'static Names, _: u32) {}
    fn mode(&mut self, _: &'static Field, _: u32) {}
    fn descriptor(&mut self, _: &'static Field, _: i32) {}
    fn errno(&mut self, _: &'static Field, _: i32) {}
}
