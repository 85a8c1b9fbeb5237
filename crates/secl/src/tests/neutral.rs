//! The model of the cases: fields that belong to nobody's events.

use std::collections::HashMap;

use crate::matcher::{Matcher, TextLiteral, for_kind};
use crate::model::*;
use crate::net::Net;

/// A value that an event owns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Own {
    Bool(bool),
    Int(i64),
    Text(Vec<u8>),
    Net(Net),
}

impl From<bool> for Own {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Own {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for Own {
    fn from(text: &str) -> Self {
        Self::Text(text.as_bytes().to_vec())
    }
}

impl Own {
    fn as_value(&self) -> Value<'_> {
        match self {
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Text(text) => Value::Text(text),
            Self::Net(net) => Value::Net(*net),
        }
    }
}

pub(crate) fn net(text: &str) -> Own {
    let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
    let address = address.parse().unwrap();
    Own::Net(prefix.map_or_else(|| Net::from(address), |p| Net::new(address, p.parse().unwrap()).unwrap()))
}

pub(crate) const IT: IteratorId = IteratorId(0);
const AR: IteratorId = IteratorId(1);
const ANCESTORS: IteratorId = IteratorId(2);
const EVENTS: [&str; 3] = ["open", "unlink", "mkdir"];

#[derive(Debug)]
pub(crate) struct Neutral {
    fields: Vec<Field>,
    variables: Vec<(&'static str, Variable, Vec<Own>)>,
}

impl Neutral {
    pub(crate) fn new() -> Self {
        use TextKind::{Domain, Insensitive, Path, Plain};
        let mut model = Self { fields: Vec::new(), variables: Vec::new() };
        for (name, ty, text) in [
            ("g.path", Type::Text, Path),
            ("s.text", Type::Text, Plain),
            ("n.a", Type::Int, Plain),
            ("n.b", Type::Int, Plain),
            ("b.flag", Type::Bool, Plain),
            ("x", Type::Bool, Plain),
            ("rv", Type::Int, Plain),
            ("t.start", Type::Int, Plain),
            ("t.seen", Type::Int, Plain),
            ("it.k", Type::Int, Plain),
            ("it.s", Type::Text, Plain),
            ("ar.k", Type::Int, Plain),
            ("ar.s", Type::Text, Plain),
            ("ar.f", Type::Bool, Plain),
            ("ip1", Type::Net, Plain),
            ("ips", Type::Net, Plain),
            ("net1", Type::Net, Plain),
            ("nets", Type::Net, Plain),
            ("d.name", Type::Text, Domain),
            ("w.name", Type::Text, Insensitive),
            ("p.list", Type::Text, Path),
            ("l.ints", Type::Int, Plain),
            ("l.texts", Type::Text, Plain),
            ("o.name", Type::Text, Plain),
            ("o.arr", Type::Text, Plain),
            ("ci.field", Type::Text, Plain),
            ("open.file.path", Type::Text, Path),
            ("open.file.name", Type::Text, Plain),
            ("open.flags", Type::Int, Plain),
            ("unlink.file.name", Type::Text, Plain),
            ("unlink.file.path", Type::Text, Path),
            ("mkdir.file.path", Type::Text, Path),
            ("process.uid", Type::Int, Plain),
            ("process.auid", Type::Int, Plain),
            ("process.ancestors.file.name", Type::Text, Plain),
            ("network.size", Type::Int, Plain),
            ("it.tags", Type::Text, Plain),
        ] {
            model.add(name, ty, text);
        }
        model.variables = vec![
            ("vpid", variable(0, Type::Int, false), vec![4242.into()]),
            ("vtag", variable(1, Type::Text, false), vec!["zz".into()]),
            ("vb", variable(2, Type::Bool, false), vec![false.into()]),
            ("vlist", variable(3, Type::Text, true), vec!["p".into(), "q".into()]),
            ("process.pid", variable(4, Type::Int, false), vec![4242.into()]),
            ("vnets", variable(5, Type::Net, true), vec![net("10.0.0.1"), net("10.0.0.2")]),
        ];
        model
    }

    fn add(&mut self, name: &str, ty: Type, text: TextKind) {
        let event = EVENTS.iter().position(|event| name.split('.').next() == Some(event));
        let events = match name {
            "network.size" => EventSet(0b110),
            _ => event.map_or(EventSet::ALL, EventSet::one),
        };
        let iterator = match name.split('.').next() {
            Some("it") => Some(IT),
            Some("ar") => Some(AR),
            _ if name.starts_with("process.ancestors.") => Some(ANCESTORS),
            _ => None,
        };
        self.fields.push(Field {
            id: FieldId(u16::try_from(self.fields.len()).unwrap()),
            name: name.to_owned(),
            ty,
            is_array: ["ips", "nets", "p.list", "o.arr", "l.ints", "l.texts", "it.tags"].contains(&name),
            iterator,
            events,
            weight: 0,
            text,
            is_timestamp: name.starts_with("t."),
        });
    }

    pub(crate) fn id(&self, name: &str) -> FieldId {
        self.field(name).unwrap_or_else(|| panic!("no field {name}")).id
    }

    /// The event of sections 1 to 4 and 7.
    pub(crate) fn event(&self) -> Facts<'_> {
        let mut facts = Facts { model: self, now_ns: 0, values: HashMap::new(), read: Default::default() };
        facts.set("g.path", "/usr/bin/tail");
        facts.set("n.a", 7);
        facts.set("b.flag", true);
        facts.set("rv", 13);
        facts.set_items("it.k", [11_i64, 110, 210]);
        facts.set_items("it.s", ["aaa1", "bbb1", "ccc1"]);
        facts.set_items("ar.k", [1001_i64, 1003]);
        facts.set_items("ar.s", ["ee", "dd"]);
        facts.set_items("ar.f", [true, false]);
        facts
    }
}

fn variable(id: u32, ty: Type, is_array: bool) -> Variable {
    Variable { id: VariableId(id), ty, is_array }
}

impl Model for Neutral {
    fn fields(&self) -> &[Field] {
        &self.fields
    }

    fn field(&self, name: &str) -> Option<&Field> {
        let name = match name {
            "open.filename" => "open.file.path",
            "mkdir.filename" => "mkdir.file.path",
            other => other,
        };
        self.fields.iter().find(|field| field.name == name)
    }

    fn iterator(&self, name: &str) -> Option<IteratorId> {
        match name {
            "it" => Some(IT),
            "ar" => Some(AR),
            "process.ancestors" => Some(ANCESTORS),
            _ => None,
        }
    }

    fn event_types(&self) -> &[&'static str] {
        &EVENTS
    }

    fn constant(&self, name: &str) -> Option<Constant> {
        Some(match name {
            "true" => Constant::Bool(true),
            "false" => Constant::Bool(false),
            "O_WRONLY" | "EPERM" => Constant::Int(1),
            "O_RDWR" => Constant::Int(2),
            "EACCES" => Constant::Int(13),
            // As in a model of system calls, which return errors as negative numbers.
            "ENEG" => Constant::Int(-4),
            "EPIPE" => Constant::Int(32),
            "EPFNOSUPPORT" => Constant::Int(96),
            "O_CREAT" => Constant::Int(0o100),
            "O_EXCL" => Constant::Int(0o200),
            "O_NOCTTY" => Constant::Int(0o400),
            "O_TRUNC" => Constant::Int(0o1000),
            "O_SYNC" => Constant::Int(0o4_010_000),
            "AUDIT_AUID_UNSET" => Constant::Int(4_294_967_295),
            "SC1" => Constant::Text("one"),
            "SC2" => Constant::Text("two"),
            _ => return None,
        })
    }

    fn constant_names(&self) -> Vec<&str> {
        vec!["true", "false", "O_CREAT", "O_EXCL", "O_RDWR", "EPERM", "EACCES", "AUDIT_AUID_UNSET"]
    }

    fn variable(&self, name: &str) -> Option<Variable> {
        self.variables.iter().find(|(known, ..)| *known == name).map(|(_, variable, _)| *variable)
    }

    fn variable_names(&self) -> Vec<&str> {
        self.variables.iter().map(|(name, ..)| *name).collect()
    }

    fn validate(&self, field: &Field, literal: Literal<'_>) -> Result<(), Refusal> {
        match literal {
            Literal::Int(value) if field.name == "n.a" && value < 0 => {
                Err(Refusal::new("n.a is never negative", "write a positive number"))
            }
            Literal::Int(_) | Literal::Text(_) => Ok(()),
        }
    }

    fn matchers(&self, field: &Field, literal: &TextLiteral) -> Result<Vec<Matcher>, Refusal> {
        match field.name.as_str() {
            // Section 9: compared with something else than what is written.
            "o.name" | "o.arr" => Ok(vec![Matcher::Exact(b"abc"[..].into())]),
            // Section 4: two comparisons, of which either may hold.
            "ci.field" => Ok(vec![
                Matcher::Exact(literal.text.as_bytes().into()),
                Matcher::Exact(literal.text.to_uppercase().into_bytes().into()),
            ]),
            _ => Ok(vec![for_kind(field.text, literal)?]),
        }
    }
}

/// An event of the neutral model.
#[derive(Debug, Clone)]
pub(crate) struct Facts<'m> {
    pub(crate) model: &'m Neutral,
    pub(crate) now_ns: i64,
    /// Per field: items, and in each the elements.
    pub(crate) values: HashMap<FieldId, Vec<Vec<Own>>>,
    /// Fields that were read, in order.
    pub(crate) read: std::cell::RefCell<Vec<FieldId>>,
}

impl Facts<'_> {
    pub(crate) fn set(&mut self, name: &str, value: impl Into<Own>) {
        self.values.insert(self.model.id(name), vec![vec![value.into()]]);
    }

    pub(crate) fn list<T: Into<Own>>(&mut self, name: &str, values: impl IntoIterator<Item = T>) {
        let values = values.into_iter().map(Into::into).collect();
        self.values.insert(self.model.id(name), vec![values]);
    }

    pub(crate) fn set_items<T: Into<Own>>(&mut self, name: &str, values: impl IntoIterator<Item = T>) {
        let values = values.into_iter().map(|value| vec![value.into()]).collect();
        self.values.insert(self.model.id(name), values);
    }
}

impl Event for Facts<'_> {
    fn now_ns(&self) -> i64 {
        self.now_ns
    }

    fn items(&self, iterator: IteratorId) -> usize {
        let of_iterator = self.model.fields.iter().filter(|field| field.iterator == Some(iterator));
        of_iterator.map(|field| self.values.get(&field.id).map_or(0, Vec::len)).max().unwrap_or(0)
    }

    fn elements(&self, field: FieldId, item: usize) -> usize {
        self.values.get(&field).and_then(|items| items.get(item)).map_or(0, Vec::len)
    }

    fn value(&self, field: FieldId, item: usize, element: usize) -> Value<'_> {
        self.read.borrow_mut().push(field);
        let known = &self.model.fields[usize::from(field.0)];
        assert!(
            !known.is_array || element < self.elements(field, item),
            "{} has no value {element}",
            known.name
        );
        let items = known.iterator.map_or(1, |iterator| self.items(iterator));
        assert!(item < items, "{} has no item {item}", known.name);
        let own = self.values.get(&field).and_then(|items| items.get(item)?.get(element));
        own.map_or_else(
            || match self.model.fields[usize::from(field.0)].ty {
                Type::Bool => Value::Bool(false),
                Type::Int => Value::Int(0),
                Type::Text => Value::Text(b""),
                Type::Net => Value::Net(Net::from(std::net::IpAddr::from([0, 0, 0, 0]))),
            },
            Own::as_value,
        )
    }

    fn variable_elements(&self, variable: VariableId) -> usize {
        self.model.variables[variable.0 as usize].2.len()
    }

    fn variable(&self, variable: VariableId, element: usize) -> Value<'_> {
        self.model.variables[variable.0 as usize].2[element].as_value()
    }
}
