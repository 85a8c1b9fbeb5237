//! Why a rule matched: its text with what held marked, and the values that made it so.

use rule_model::{Facts, Fields};
use secl::model::Field;
use secl::{Event as _, Matched, Model, Rule, Span, Value};

use super::paint::{Paint, Tone};
use super::text::{fit, printable};

/// Values of one field that are shown.
const MAX_VALUES: usize = 5;

/// Columns that one value may take.
const VALUE_COLUMNS: usize = 120;

/// The lines that explain a match: with colours the parts that held are coloured, without they are underlined.
pub(crate) fn lines(rule: &Rule, facts: &Facts<'_>, fields: &Fields, paint: Paint) -> Vec<String> {
    let matched = rule.explain(facts);
    let mut spans: Vec<Span> = matched.iter().flat_map(|m| [Some(m.field), m.value]).flatten().collect();
    spans.sort_by_key(|span| span.start);
    let mut lines = marked(rule.text(), &spans, paint);
    for found in &matched {
        let line = value_line(rule, found, facts, fields);
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

/// The text of a rule, line by line.
fn marked(text: &str, spans: &[Span], paint: Paint) -> Vec<String> {
    let mut lines = Vec::new();
    let mut start = 0;
    for line in text.split('\n') {
        let is_marked = |at: usize| spans.iter().any(|span| (span.start..span.end).contains(&at));
        let mut shown = String::new();
        let mut under = String::new();
        // A run of characters that are all marked, or all not.
        let mut run = (false, String::new());
        for (at, c) in line.char_indices() {
            let is_held = is_marked(start + at);
            if is_held != run.0 {
                push(&mut shown, &mut run, paint);
                run.0 = is_held;
            }
            let safe = printable(c.encode_utf8(&mut [0; 4])).into_owned();
            under.extend(std::iter::repeat_n(if is_held { '^' } else { ' ' }, super::text::width(&safe)));
            run.1.push_str(&safe);
        }
        push(&mut shown, &mut run, paint);
        start += line.len() + 1;
        lines.push(shown);
        if !paint.is_on() && under.contains('^') {
            lines.push(under.trim_end().to_owned());
        }
    }
    lines
}

fn push(shown: &mut String, run: &mut (bool, String), paint: Paint) {
    let tone = if run.0 { Tone::Good } else { Tone::Plain };
    shown.push_str(&paint.apply(tone, &std::mem::take(&mut run.1)));
}

/// `field = value`.
fn value_line(rule: &Rule, found: &Matched, facts: &Facts<'_>, fields: &Fields) -> String {
    let name = found.field.of(rule.text());
    let Some(field) = fields.fields().get(usize::from(found.id.0)) else { return name.to_owned() };
    let mut values = values(field, found.item, facts);
    let more = values.len().saturating_sub(MAX_VALUES);
    values.truncate(MAX_VALUES);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    format!("{} = {}{more}", printable(name), values.join(", "))
}

fn values(field: &Field, item: Option<usize>, facts: &Facts<'_>) -> Vec<String> {
    let items = match (item, field.iterator) {
        (Some(item), _) => item..item.saturating_add(1),
        (None, Some(iterator)) => 0..facts.items(iterator),
        (None, None) => 0..1,
    };
    let elements = |item| if field.is_array { facts.elements(field.id, item) } else { 1 };
    items
        .flat_map(|item| (0..elements(item)).map(move |element| (item, element)))
        .map(|(item, element)| value(facts.value(field.id, item, element)))
        .collect()
}

fn value(value: Value<'_>) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Text(text) => {
            let text = String::from_utf8_lossy(text);
            format!("\"{}\"", fit(&printable(&text), VALUE_COLUMNS))
        }
        Value::Net(net) => net.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_held_is_underlined_or_coloured() {
        let spans = [Span::new(0, 1), Span::new(8, 11)];
        assert_eq!(marked("a == 1 &\nx\ty", &spans, Paint::new(false)), ["a == 1 &", "^", "x\\ty", "^^^"]);
        let coloured = marked("a == 1", &[Span::new(0, 1)], Paint::new(true));
        assert_eq!(coloured, ["\u{1b}[32ma\u{1b}[0m == 1"]);
        assert_eq!(marked("a", &[], Paint::new(false)), ["a"]);
    }

    #[test]
    fn values_are_shown_not_obeyed() {
        assert_eq!(value(Value::Text(b"a\x1b[31m\xff")), "\"a\\x1b[31m\u{fffd}\"");
        assert_eq!(value(Value::Int(-1)), "-1");
        assert!(value(Value::Text(&[b'x'; 500])).ends_with("…\""));
    }
}
