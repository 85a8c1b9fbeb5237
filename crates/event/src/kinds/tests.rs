use super::*;
use crate::{Address, AddressState, Endpoint, Flags, Names, Text};

#[test]
fn every_kind_is_found_by_its_name_number_and_index() {
    for (position, kind) in Kind::ALL.into_iter().enumerate() {
        assert_eq!(Kind::from_name(kind.name()), Some(kind));
        assert_eq!(Kind::from_number(kind.number()), Some(kind));
        assert_eq!(kind.index(), position);
        assert!((1..=Kind::MAX_NUMBER).contains(&kind.number()), "{kind:?}");
    }
    assert_eq!(Kind::from_number(0), None);
}

#[test]
fn fields_of_a_kind_have_names_of_their_own_and_say_what_they_mean() {
    for kind in Kind::ALL {
        let fields = kind.fields();
        assert!(kind.about().ends_with('.'), "{kind:?}");
        for (position, field) in fields.iter().enumerate() {
            assert_eq!(field.path, format!("{}.{}", kind.name(), field.name));
            assert!(field.about.ends_with('.') || field.about.ends_with(')'), "{}", field.path);
            assert!(fields.iter().skip(position + 1).all(|other| other.name != field.name), "{}", field.path);
        }
    }
}

/// Gives values that differ, and writes down for which field.
#[derive(Debug, Default, PartialEq)]
struct Script(Vec<(&'static str, String)>);

impl Script {
    fn next<T: std::fmt::Debug>(
        &mut self,
        field: &'static Field,
        leaf: &str,
        make: impl Fn(u32) -> T,
    ) -> Result<T, ()> {
        let value = make(u32::try_from(self.0.len()).unwrap() + 1);
        self.see(field, leaf, &value);
        Ok(value)
    }

    /// `leaf` is the type by which it is shown.
    fn see(&mut self, field: &'static Field, leaf: &str, value: impl std::fmt::Debug) {
        assert!(format!("{:?}", field.leaf).starts_with(leaf), "{} is shown as {leaf}", field.path);
        self.0.push((field.path, format!("{value:?}")));
    }
}

impl Builder for Script {
    type Error = ();

    fn file(&mut self, field: &'static Field) -> Result<Arc<File>, ()> {
        self.next(field, "File", |n| Arc::new(File { path: Text::from(format!("/{n}")), ..File::default() }))
    }
    fn program(&mut self, field: &'static Field) -> Result<Arc<Exec>, ()> {
        self.next(field, "Program", |n| Arc::new(Exec { tty: Text::from(n.to_string()), ..Exec::default() }))
    }
    fn process(&mut self, field: &'static Field) -> Result<ProcessKey, ()> {
        self.next(field, "Process", |n| ProcessKey { tgid: n, start_ns: 7 })
    }
    fn status(&mut self, field: &'static Field) -> Result<ExitStatus, ()> {
        self.next(field, "Status", |n| ExitStatus::Exited(u8::try_from(n).unwrap()))
    }
    fn address(&mut self, field: &'static Field) -> Result<Address, ()> {
        let endpoint = |n: u32| Endpoint::Path(Text::from(format!("/{n}")));
        self.next(field, "Address", |n| Address { endpoint: endpoint(n), state: AddressState::Argument })
    }
    fn text(&mut self, field: &'static Field) -> Result<Text, ()> {
        self.next(field, "Text", |n| Text::from(n.to_string()))
    }
    fn number(&mut self, field: &'static Field, _: &'static Names) -> Result<u32, ()> {
        self.next(field, "Number", |n| n)
    }
    fn flags(&mut self, field: &'static Field, _: &'static Flags) -> Result<u32, ()> {
        self.next(field, "Flags", |n| n)
    }
    fn mode(&mut self, field: &'static Field) -> Result<u32, ()> {
        self.next(field, "Mode", |n| n)
    }
    fn descriptor(&mut self, field: &'static Field) -> Result<i32, ()> {
        self.next(field, "Descriptor", u32::cast_signed)
    }
    fn errno(&mut self, field: &'static Field) -> Result<i32, ()> {
        self.next(field, "Errno", u32::cast_signed)
    }
}

impl<'a> Visitor<'a> for Script {
    fn file(&mut self, field: &'static Field, file: &'a Arc<File>) {
        self.see(field, "File", file);
    }
    fn program(&mut self, field: &'static Field, exec: &'a Arc<Exec>) {
        self.see(field, "Program", exec);
    }
    fn process(&mut self, field: &'static Field, key: ProcessKey) {
        self.see(field, "Process", key);
    }
    fn status(&mut self, field: &'static Field, status: ExitStatus) {
        self.see(field, "Status", status);
    }
    fn address(&mut self, field: &'static Field, address: &'a Address) {
        self.see(field, "Address", address);
    }
    fn text(&mut self, field: &'static Field, text: &'a Text) {
        self.see(field, "Text", text);
    }
    fn number(&mut self, field: &'static Field, _: &'static Names, number: u32) {
        self.see(field, "Number", number);
    }
    fn flags(&mut self, field: &'static Field, _: &'static Flags, flags: u32) {
        self.see(field, "Flags", flags);
    }
    fn mode(&mut self, field: &'static Field, mode: u32) {
        self.see(field, "Mode", mode);
    }
    fn descriptor(&mut self, field: &'static Field, retval: i32) {
        self.see(field, "Descriptor", retval);
    }
    fn errno(&mut self, field: &'static Field, retval: i32) {
        self.see(field, "Errno", retval);
    }
}

#[test]
fn a_visitor_sees_what_a_builder_gave_field_by_field_in_the_described_order() {
    for kind in Kind::ALL {
        let mut given = Script::default();
        let what = What::build(kind, &mut given).unwrap();
        assert_eq!(what.kind(), kind);
        let mut seen = Script::default();
        what.visit(&mut seen);
        assert_eq!(given, seen);
        let described: Vec<&str> = kind.fields().iter().map(|field| field.path).collect();
        assert_eq!(seen.0.iter().map(|(path, _)| *path).collect::<Vec<_>>(), described);
    }
}
