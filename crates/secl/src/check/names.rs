//! What a name means: a constant, else a macro, else a field.

use super::Checker;
use super::term::Term;
use crate::diagnostic::{Diagnostic, Span, nearest, suggestion};
use crate::matcher::LiteralKind;
use crate::model::{Constant, Field, FieldId, IteratorId, Type, Variable};
use crate::node::Node;
use crate::predicate::{Element, Int, Ints, Item, Nets, Origin, Source, Texts};

/// A name without its subscripts.
struct Subscripted<'n> {
    /// `it.k` of `it[A].k`, `list` of `list[0]`.
    name: String,
    /// `it` and `A` of `it[A].k`.
    variable: Option<(&'n str, &'n str)>,
    /// `0` of `list[0]`.
    index: Option<usize>,
}

impl Checker<'_> {
    pub(super) fn identifier(&mut self, name: &str, span: Span) -> Option<Term> {
        if let Some(constant) = self.model.constant(name) {
            return Some(constant_term(constant));
        }
        if let Some((visible, expr)) = self.macros.get(name, self.visible) {
            let before = (self.visible, self.place);
            (self.visible, self.place) = (visible, Some(self.at(span)));
            let term = self.term(expr);
            (self.visible, self.place) = before;
            return term;
        }
        self.field(name, span)
    }

    /// `%{name}`.
    pub(super) fn field_reference(&mut self, name: &str, span: Span) -> Option<Term> {
        if self.model.constant(name).is_some() || self.macros.get(name, self.visible).is_some() {
            let error = Diagnostic::error(span, format!("`{name}` is no field")).expected("a field");
            return self.error(error.help(format!("write `{name}` without %{{}}")));
        }
        self.field(name, span)
    }

    fn field(&mut self, name: &str, span: Span) -> Option<Term> {
        let subscripted = self.subscripts(name, span)?;
        if let Some(field) = self.model.field(&subscripted.name) {
            let source = self.source(field, &subscripted, name, span)?;
            return Some(term_of(source));
        }
        if let Some(base) = subscripted.name.strip_suffix(".length") {
            if let Some(field) = self.model.field(base) {
                let base = Subscripted { name: base.to_owned(), ..subscripted };
                return self.length_of(field, &base, name, span);
            }
            if let Some(iterator) = self.model.iterator(base) {
                self.note_iterator(iterator);
                return Some(Term::Int { ints: Ints::One(Int::Items(iterator)), is_duration: false });
            }
        }
        if let Some(field) =
            subscripted.name.strip_suffix(".root_domain").and_then(|base| self.model.field(base))
        {
            let source = self.source(field, &subscripted, name, span)?;
            if field.ty == Type::Text {
                return Some(Term::Texts(Texts::RootDomain(source)));
            }
        }
        self.unknown(&subscripted.name, span)
    }

    fn length_of(&mut self, field: &Field, base: &Subscripted<'_>, name: &str, span: Span) -> Option<Term> {
        let source = self.source(field, base, name, span)?;
        let ints = match (field.is_array && base.index.is_none(), field.ty) {
            (true, _) if matches!(source.item, Item::Each(_)) => {
                let error = Diagnostic::error(span, "each item has a number of values of its own");
                return self.error(error.help(one_item(name)));
            }
            (true, _) => Ints::One(Int::Count(source)),
            (false, Type::Text) if source.is_many() => Ints::Lengths(source),
            (false, Type::Text) => Ints::One(Int::Length(source)),
            (false, Type::Bool | Type::Int | Type::Net) => {
                let message = format!("`{}` has no length: it is one {}", field.name, field.ty.name());
                return self.error(Diagnostic::error(span, message).expected("a string or an array"));
            }
        };
        Some(Term::Int { ints, is_duration: false })
    }

    fn subscripts<'n>(&mut self, name: &'n str, span: Span) -> Option<Subscripted<'n>> {
        let plain = |name: &str| Subscripted { name: name.to_owned(), variable: None, index: None };
        let Some((base, rest)) = name.split_once('[') else { return Some(plain(name)) };
        let Some((inside, after)) = rest.split_once(']') else { return self.malformed(name, span) };
        if inside.is_empty() || base.is_empty() {
            return self.malformed(name, span);
        }
        if let Ok(index) = inside.parse::<usize>() {
            let is_length = after == ".length";
            if !after.is_empty() && !is_length {
                let error =
                    Diagnostic::error(span, "a number names one value of an array, at the end of a field");
                return self.error(error.help(one_item(name)));
            }
            return Some(Subscripted { index: Some(index), ..plain(&format!("{base}{after}")) });
        }
        let Some(suffix) = after.strip_prefix('.') else { return self.malformed(name, span) };
        let outer = self.subscripts(suffix, span)?;
        if outer.variable.is_some() {
            return self.malformed(name, span);
        }
        Some(Subscripted {
            name: format!("{base}.{}", outer.name),
            variable: Some((base, inside)),
            index: outer.index,
        })
    }

    fn malformed<T>(&mut self, name: &str, span: Span) -> Option<T> {
        let error = Diagnostic::error(span, format!("`{name}` has a subscript that means nothing"));
        let help = "one item of an iterator is named in the middle, process.ancestors[A].uid; one value of an array at the end, list[0]";
        self.error(error.expected("iterator[A].field or array[0]").help(help))
    }

    fn source(
        &mut self,
        field: &Field,
        subscripted: &Subscripted<'_>,
        name: &str,
        span: Span,
    ) -> Option<Source> {
        let item = match (subscripted.variable, field.iterator) {
            (None, None) => Item::Only,
            (None, Some(iterator)) => Item::Each(iterator),
            (Some((base, variable)), found) => {
                self.bind(base, variable, found.filter(|id| self.model.iterator(base) == Some(*id)), span)?
            }
        };
        let element = match (subscripted.index, field.is_array) {
            (None, false) => Element::Only,
            (None, true) => Element::Each,
            (Some(index), true) => Element::At(index),
            (Some(_), false) => {
                let error = Diagnostic::error(span, format!("`{}` is no array", field.name));
                return self.error(error.help(one_item(name)));
            }
        };
        if !self.fields.contains(&field.id) {
            self.fields.push(field.id);
            self.remark(field, span);
        }
        Some(Source { origin: Origin::Field(field.id), ty: field.ty, item, element })
    }

    /// Passes on what the model says of a field; what it says of several is said once.
    fn remark(&mut self, field: &Field, span: Span) {
        let Some(remark) = self.model.remark(field) else { return };
        if !self.warnings.iter().any(|known| known.message == remark) {
            self.warn(Diagnostic::warning(span, remark));
        }
    }

    /// `base[variable]`.
    fn bind(&mut self, base: &str, variable: &str, found: Option<IteratorId>, span: Span) -> Option<Item> {
        let Some(iterator) = found else {
            let error = Diagnostic::error(span, format!("`{base}` is not the name of an iterator"));
            return self.error(error.help("only an iterator such as `process.ancestors` takes a variable"));
        };
        if variable == "_" {
            let error = Diagnostic::error(span, "`_` is no name for an iterator variable");
            return self.error(error.help(format!("write {base}[A], or no subscript for any item")));
        }
        match &self.bound {
            Some((known, _)) if known != variable => {
                let message = format!("a rule has one iterator variable, and this one has `{known}` already");
                self.error(
                    Diagnostic::error(span, message).help(format!("write {base}[{known}], or no subscript")),
                )
            }
            Some((_, known)) if *known != iterator => {
                let message =
                    format!("the variable `{variable}` stands for an item of another iterator already");
                self.error(
                    Diagnostic::error(span, message).help(format!("leave the subscript of `{base}` out")),
                )
            }
            _ => {
                self.bound = Some((variable.to_owned(), iterator));
                Some(Item::Bound)
            }
        }
    }

    /// Remembers a field of an iterator, so that counting its items shows in the event type.
    fn note_iterator(&mut self, iterator: IteratorId) {
        let field = self.model.fields().iter().find(|field| field.iterator == Some(iterator));
        if let Some(field) = field.filter(|field| !self.fields.contains(&field.id)) {
            self.fields.push(field.id);
        }
    }

    fn unknown(&mut self, name: &str, span: Span) -> Option<Term> {
        if self.has_enough_errors() {
            return None;
        }
        let error = Diagnostic::error(span, format!("unknown name `{name}`"));
        let error = error.expected("a field, macro or constant");
        if self.model.iterator(name).is_some() {
            return self
                .error(error.help(format!("it is an iterator: name a field of it, or `{name}.length`")));
        }
        if self.model.variable(name).is_some() {
            return self.error(error.help(format!("it is a variable: write ${{{name}}}")));
        }
        let fields = self.model.fields().iter().map(|field| field.name.as_str());
        let names = fields.chain(self.model.constant_names()).chain(self.macros.names());
        let near = nearest(name, names);
        let help = self
            .below(name)
            .or_else(|| self.with_same_ends(name))
            .or_else(|| suggestion(&near))
            .or_else(|| self.with_same_end(name));
        match help {
            Some(help) => self.error(error.help(help)),
            None => self.error(error.help("`shrike rule fields` lists all fields")),
        }
    }

    /// The fields that start with `name.`.
    fn below(&self, name: &str) -> Option<String> {
        let below = |field: &&Field| field.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
        let first = self.model.fields().iter().find(below)?;
        Some(format!("it has fields, for example `{}`: see `shrike rule fields {name}`", first.name))
    }

    /// The fields of the same event with the same last part: a part in between was left out.
    fn with_same_ends(&self, name: &str) -> Option<String> {
        let (first, last) = (name.split('.').next()?, name.rsplit('.').next()?);
        let has_same_ends = |field: &&Field| {
            let rest = field.name.strip_prefix(first).and_then(|rest| rest.strip_suffix(last));
            rest.is_some_and(|rest| rest.starts_with('.') && rest.ends_with('.'))
        };
        let found = self.model.fields().iter().filter(has_same_ends).min_by_key(|field| field.name.len())?;
        suggestion(&[&found.name])
    }

    /// The fields, else constants, whose last part this is: `flags` of `open.flags`, `KILL` of `SIGKILL`.
    fn with_same_end(&self, name: &str) -> Option<String> {
        if name.len() < 3 {
            return None;
        }
        let is_field = |known: &&str| known.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
        let is_constant = |known: &&str| known.ends_with(name) && known.len() <= name.len() + 4;
        let mut found: Vec<&str> =
            self.model.fields().iter().map(|field| field.name.as_str()).filter(is_field).collect();
        if found.is_empty() {
            found = self.model.constant_names().into_iter().filter(is_constant).collect();
        }
        found.sort_by_key(|known| (known.len(), *known));
        found.truncate(3);
        suggestion(&found)
    }

    /// `${name}`.
    pub(super) fn variable(&mut self, name: &str, span: Span) -> Option<Term> {
        if let Some(variable) = self.model.variable(name) {
            return Some(term_of(variable_source(variable)));
        }
        if let Some(variable) = name.strip_suffix(".length").and_then(|base| self.model.variable(base)) {
            let source = variable_source(variable);
            let int = match (variable.is_array, variable.ty) {
                (true, _) => Int::Count(source),
                (false, Type::Text) => Int::Length(source),
                (false, Type::Bool | Type::Int | Type::Net) => {
                    let message = format!("${{{name}}} has no length: it is one {}", variable.ty.name());
                    return self.error(Diagnostic::error(span, message).expected("a string or an array"));
                }
            };
            return Some(Term::Int { ints: Ints::One(int), is_duration: false });
        }
        if self.has_enough_errors() {
            return None;
        }
        let error = Diagnostic::error(span, format!("unknown variable `{name}`")).expected("a variable");
        if self.model.field(name).is_some() {
            return self.error(error.help(format!("it is a field: write %{{{name}}} or {name}")));
        }
        let names = self.model.variable_names();
        let near = nearest(name, names.into_iter());
        let help = suggestion(&near).unwrap_or_else(|| "a `set` action defines variables".to_owned());
        self.error(error.help(help))
    }

    pub(super) fn field_id(&self, source: &Source) -> Option<FieldId> {
        match source.origin {
            Origin::Field(id) => Some(id),
            Origin::Variable(_) => None,
        }
    }

    pub(super) fn field_of(&self, source: &Source) -> Option<&Field> {
        self.field_id(source).and_then(|id| self.model.fields().get(usize::from(id.0)))
    }
}

fn variable_source(variable: Variable) -> Source {
    let element = if variable.is_array { Element::Each } else { Element::Only };
    Source { origin: Origin::Variable(variable.id), ty: variable.ty, item: Item::Only, element }
}

fn constant_term(constant: Constant) -> Term {
    match constant {
        Constant::Bool(value) => Term::Node(Node::Const(value)),
        Constant::Int(value) => Term::int(value),
        Constant::Text(text) => Term::literal(LiteralKind::Exact, text),
    }
}

fn term_of(source: Source) -> Term {
    match source.ty {
        Type::Bool => Term::Flag(source),
        Type::Int if source.is_many() => Term::Int { ints: Ints::Each(source), is_duration: false },
        Type::Int => Term::Int { ints: Ints::One(Int::Of(source)), is_duration: false },
        Type::Text => Term::Texts(Texts::Each(source)),
        Type::Net => Term::Nets(Nets::Each(source)),
    }
}

fn one_item(name: &str) -> String {
    let base = name.split('[').next().unwrap_or(name);
    format!(
        "to speak of one item of an iterator, name it with a letter, like process.ancestors[A], not `{base}[0]`"
    )
}
