//! Events of every kind, made from the descriptions.

use std::sync::Arc;

use event::{
    Address, AddressState, Builder, Endpoint, Exec, ExitStatus, Field, File, Flags, Names, PathState,
    ProcessKey, Text,
};

use crate::build;

/// Makes the fields of an event by their type. Three ways: a success, one that was refused, and one that is odd.
pub(crate) struct Maker {
    pub(crate) way: Way,
    fields: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Success,
    Refused,
    Odd,
}

impl Way {
    pub(crate) const ALL: [Self; 3] = [Self::Success, Self::Refused, Self::Odd];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Refused => "refused",
            Self::Odd => "odd",
        }
    }

    fn pick<T>(self, success: T, refused: T, odd: T) -> T {
        match self {
            Self::Success => success,
            Self::Refused => refused,
            Self::Odd => odd,
        }
    }
}

impl Maker {
    pub(crate) fn new(way: Way) -> Self {
        Self { way, fields: 0 }
    }

    /// Differs from field to field.
    fn next(&mut self) -> u32 {
        self.fields += 1;
        self.fields
    }
}

impl Builder for Maker {
    type Error = std::convert::Infallible;

    fn file(&mut self, _: &'static Field) -> Result<Arc<File>, Self::Error> {
        let path = format!("/srv/{}", self.next());
        let asked = File { path: path.as_str().into(), path_state: PathState::Argument, ..File::default() };
        Ok(Arc::new(self.way.pick(build::file(&path), asked.clone(), File { path: "".into(), ..asked })))
    }

    fn program(&mut self, _: &'static Field) -> Result<Arc<Exec>, Self::Error> {
        Ok(Arc::new(build::exec("/bin/cat", &["cat", "/etc/hostname"])))
    }

    fn process(&mut self, _: &'static Field) -> Result<ProcessKey, Self::Error> {
        Ok(ProcessKey { start_ns: 100, tgid: self.next() })
    }

    fn status(&mut self, _: &'static Field) -> Result<ExitStatus, Self::Error> {
        Ok(self.way.pick(ExitStatus::Exited(0), ExitStatus::Exited(1), ExitStatus::CoreDumped(11)))
    }

    fn address(&mut self, _: &'static Field) -> Result<Address, Self::Error> {
        let port = 4000 + u16::try_from(self.next()).unwrap();
        let (success, refused) =
            (Endpoint::Ip([10, 0, 0, 7].into(), port), Endpoint::Ip([0, 0, 0, 0, 0, 0, 0, 1].into(), port));
        let endpoint = self.way.pick(success, refused, Endpoint::Path("/run/x.sock".into()));
        let (kernel, argument) = (AddressState::Kernel, AddressState::Argument);
        Ok(Address { endpoint, state: self.way.pick(kernel, argument, kernel) })
    }

    fn text(&mut self, _: &'static Field) -> Result<Text, Self::Error> {
        Ok(self.next().to_string().into())
    }

    fn flags(&mut self, _: &'static Field, names: &'static Flags) -> Result<u32, Self::Error> {
        let all =
            names.names().filter_map(|name| names.from_names(name).ok()).fold(0, |all, bits| all | bits);
        Ok(self.way.pick(0, all, u32::MAX))
    }

    fn number(&mut self, _: &'static Field, names: &'static Names) -> Result<u32, Self::Error> {
        let number = |at| names.names().nth(at).and_then(|name| names.from_name(name).ok()).unwrap_or(0);
        Ok(self.way.pick(number(4), number(1), 4_000_000))
    }

    fn mode(&mut self, _: &'static Field) -> Result<u32, Self::Error> {
        Ok(self.way.pick(0o644, 0, 0o777_777))
    }

    fn descriptor(&mut self, _: &'static Field) -> Result<i32, Self::Error> {
        Ok(self.way.pick(3, -13, -2))
    }

    fn errno(&mut self, _: &'static Field) -> Result<i32, Self::Error> {
        Ok(self.way.pick(0, -1, -22))
    }
}
