//! The fields of one operating system, found by name, with all there is to say of each.
//!
//! Invariant: a field's place in the list is its number, and what reads it stands at the same place.

use std::collections::HashMap;

use secl::matcher::{LiteralKind, Matcher, TextLiteral, for_kind};
use secl::model::{
    Constant, EventSet, Field, FieldId, IteratorId, Literal, Model, Refusal, TextKind, Type, Variable,
    VariableId,
};

use crate::constants::Constants;
use crate::row::{Read, Row, Shape};
use crate::{aliases, linux, validate, windows};

/// Whose events the rules are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Os {
    /// Linux.
    Linux,
    /// Windows: rules are checked, no event of it is seen.
    Windows,
}

/// What people want to know of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doc {
    /// What its values are.
    pub kind: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// A condition with it.
    pub example: String,
    /// Some probe of ours fills it.
    pub is_filled: bool,
}

/// The fields of rules.
#[derive(Debug)]
pub struct Fields {
    os: Os,
    fields: Vec<Field>,
    docs: Vec<Doc>,
    reads: Vec<Read>,
    by_name: HashMap<String, FieldId>,
    constants: Constants,
    sections: Vec<Section>,
}

/// A group of fields where it is used.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    /// What the group is called; empty for fields that belong to no group.
    pub(crate) group: &'static str,
    /// With the dot at its end.
    pub(crate) prefix: String,
    pub(crate) events: EventSet,
    /// Places of its fields.
    pub(crate) fields: std::ops::Range<usize>,
}

/// Collects fields, group by group.
#[derive(Debug)]
pub(crate) struct Builder {
    event_types: &'static [&'static str],
    fields: Vec<Field>,
    docs: Vec<Doc>,
    reads: Vec<Read>,
    sections: Vec<Section>,
}

/// Where a group of fields is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) events: EventSet,
    pub(crate) iterator: Option<IteratorId>,
}

impl Builder {
    /// The set of these event types.
    pub(crate) fn events(&self, names: &[&str]) -> EventSet {
        let places = names.iter().filter_map(|name| self.event_types.iter().position(|known| known == name));
        EventSet(places.fold(0, |all, place| all | EventSet::one(place).0))
    }

    /// Adds a group of rows below `prefix`.
    pub(crate) fn rows<R: Copy>(
        &mut self,
        group: &'static str,
        prefix: &str,
        place: Place,
        rows: &[Row<R>],
        read: impl Fn(R) -> Read,
    ) {
        let first = self.fields.len();
        let fields = first..first + rows.len();
        self.sections.push(Section { group, prefix: prefix.to_owned(), events: place.events, fields });
        for row in rows {
            let Ok(id) = u16::try_from(self.fields.len()) else { return };
            let name = format!("{prefix}{}", row.suffix);
            let read = row.read.map_or(Read::Nothing, &read);
            let example = example(&name, place.iterator, row.example);
            self.docs.push(Doc {
                kind: row.shape.name(),
                meaning: row.meaning,
                example,
                is_filled: read.is_filled(),
            });
            self.reads.push(read);
            self.fields.push(Field {
                id: FieldId(id),
                weight: weight(&name),
                name,
                ty: row.shape.ty(),
                is_array: row.shape.is_array(),
                iterator: place.iterator,
                events: place.events,
                text: row.shape.text(),
                is_timestamp: row.shape == Shape::Time,
            });
        }
    }
}

/// A condition with this field. To calculate with one value of several, an example names one item.
fn example(name: &str, iterator: Option<IteratorId>, rest: &str) -> String {
    let base =
        iterator.and_then(|id| linux::ITERATORS.get(usize::from(id.0))).filter(|_| rest.starts_with('&'));
    match base.and_then(|base| name.strip_prefix(base).map(|suffix| (base, suffix))) {
        Some((base, suffix)) => format!("{base}[A]{suffix} {rest}"),
        None => format!("{name} {rest}").trim_end().to_owned(),
    }
}

/// What is derived from arguments costs more than what is read.
fn weight(name: &str) -> u32 {
    let last = name.rsplit('.').next().unwrap_or_default();
    if ["args", "args_flags", "args_options"].contains(&last) { 100 } else { 0 }
}

impl Fields {
    /// The fields of an operating system.
    #[must_use]
    pub fn new(os: Os) -> Self {
        let event_types = match os {
            Os::Linux => &linux::EVENTS[..],
            Os::Windows => &windows::EVENTS[..],
        };
        let mut builder = Builder {
            event_types,
            fields: Vec::new(),
            docs: Vec::new(),
            reads: Vec::new(),
            sections: Vec::new(),
        };
        match os {
            Os::Linux => linux::fields(&mut builder),
            Os::Windows => windows::fields(&mut builder),
        }
        let Builder { fields, docs, reads, sections, .. } = builder;
        let by_name = fields.iter().map(|field| (field.name.clone(), field.id)).collect();
        Self { os, fields, docs, reads, by_name, constants: Constants::new(), sections }
    }

    /// The fields of this operating system.
    #[must_use]
    pub fn os(&self) -> Os {
        self.os
    }

    /// What people want to know of a field.
    #[must_use]
    pub fn doc(&self, field: &Field) -> Option<&Doc> {
        self.docs.get(usize::from(field.id.0))
    }

    /// The place of an event type in [`Model::event_types`]; nothing for a kind that rules are not about.
    #[must_use]
    pub fn event_type(&self, name: &str) -> Option<usize> {
        self.event_types().iter().position(|known| *known == name)
    }

    /// True when the probe reports events of this type.
    #[must_use]
    pub fn is_observed(&self, event_type: &str) -> bool {
        self.os == Os::Linux && event::Kind::from_name(event_type).is_some()
    }

    /// Named constants, by group.
    #[must_use]
    pub fn constants(&self) -> &Constants {
        &self.constants
    }

    pub(crate) fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// The fields of a section, with what there is to say of each.
    pub(crate) fn section<'s>(&'s self, section: &Section) -> impl Iterator<Item = (&'s Field, &'s Doc)> {
        let range = section.fields.clone();
        let fields = self.fields.get(range.clone()).unwrap_or_default();
        fields.iter().zip(self.docs.get(range).unwrap_or_default())
    }

    /// The event types in a set.
    pub fn event_names(&self, events: EventSet) -> impl Iterator<Item = &'static str> {
        let has = move |at: usize| events.and(EventSet::one(at)) != EventSet(0);
        self.event_types().iter().enumerate().filter(move |(at, _)| has(*at)).map(|(_, name)| *name)
    }

    pub(crate) fn read(&self, field: FieldId) -> Read {
        self.reads.get(usize::from(field.0)).copied().unwrap_or(Read::Nothing)
    }

    pub(crate) fn type_of(&self, field: FieldId) -> Type {
        self.fields.get(usize::from(field.0)).map_or(Type::Text, |field| field.ty)
    }

    fn by_name(&self, name: &str) -> Option<&Field> {
        self.by_name.get(name).and_then(|id| self.fields.get(usize::from(id.0)))
    }

    /// The event types of a field that the probe does not report, if it reports none of them.
    fn unobserved(&self, field: &Field) -> Option<&'static str> {
        let mut types = self.event_names(field.events);
        let first = types.next()?;
        (!self.is_observed(first) && !types.any(|name| self.is_observed(name))).then_some(first)
    }
}

impl Model for Fields {
    fn fields(&self) -> &[Field] {
        &self.fields
    }

    fn field(&self, name: &str) -> Option<&Field> {
        self.by_name(name).or_else(|| self.by_name(&aliases::resolve(name, self.os)?))
    }

    fn iterator(&self, name: &str) -> Option<IteratorId> {
        let at = linux::ITERATORS.iter().position(|known| self.os == Os::Linux && *known == name)?;
        u16::try_from(at).ok().map(IteratorId)
    }

    fn event_types(&self) -> &[&'static str] {
        match self.os {
            Os::Linux => &linux::EVENTS,
            Os::Windows => &windows::EVENTS,
        }
    }

    fn constant(&self, name: &str) -> Option<Constant> {
        match name {
            "true" => Some(Constant::Bool(true)),
            "false" => Some(Constant::Bool(false)),
            _ => self.constants.value(name).map(Constant::Int),
        }
    }

    fn constant_names(&self) -> Vec<&str> {
        ["true", "false"].into_iter().chain(self.constants.names()).collect()
    }

    /// The one variable that is always there; others are made by the actions of policies.
    fn variable(&self, name: &str) -> Option<Variable> {
        (name == "process.pid").then_some(Variable { id: VariableId(0), ty: Type::Int, is_array: false })
    }

    fn variable_names(&self) -> Vec<&str> {
        vec!["process.pid"]
    }

    fn validate(&self, field: &Field, literal: Literal<'_>) -> Result<(), Refusal> {
        match literal {
            Literal::Int(value) => validate::number(&field.name, value),
            Literal::Text(text) if field.text == TextKind::Path => validate::path(&field.name, text),
            Literal::Text(text) => validate::text(&field.name, text),
        }
    }

    fn matchers(&self, field: &Field, literal: &TextLiteral) -> Result<Vec<Matcher>, Refusal> {
        let is_windows_path = self.doc(field).is_some_and(|doc| doc.kind == Shape::CaselessPath.name())
            && field.text == TextKind::Insensitive;
        if is_windows_path && literal.kind != LiteralKind::Regexp {
            return windows::path_matcher(literal);
        }
        Ok(vec![for_kind(field.text, literal)?])
    }

    fn remark(&self, field: &Field) -> Option<String> {
        if self.os == Os::Windows {
            return None;
        }
        if let Some(event) = self.unobserved(field) {
            return Some(format!(
                "{event} events are not reported yet: the rule is valid, and matches nothing"
            ));
        }
        let is_filled = self.doc(field).is_some_and(|doc| doc.is_filled);
        (!is_filled).then(|| format!("`{}` is not filled yet: it is always empty, 0 or false", field.name))
    }
}
