//! Makes a document fit that is larger than the intake keeps. Pure.
//!
//! The rule: of every text the beginning stays, with a mark of how much was cut, and of every list the first elements; both
//! as long as still fits, in steps. Names, numbers and the shape stay, so what reads the document can still. Who gets it
//! is told by a tag, so that nobody takes it for the whole. What cannot be made to fit is given up.

use serde_json::Value;

/// What stays of a text, in bytes, and of a list, in elements: the first that fits.
const STEPS: [(usize, usize); 5] =
    [(64 << 10, 4096), (16 << 10, 1024), (4 << 10, 256), (1 << 10, 64), (256, 16)];

/// The largest shortened form for which `fits` says yes.
pub(crate) fn shorten(document: &[u8], fits: impl Fn(&str) -> bool) -> Option<String> {
    let mut value: Value = serde_json::from_slice(document).ok()?;
    STEPS.into_iter().find_map(|(max_bytes, max_elements)| {
        cut(&mut value, max_bytes, max_elements);
        Some(value.to_string()).filter(|text| fits(text))
    })
}

/// Never deeper than the parser went, which has a limit.
fn cut(value: &mut Value, max_bytes: usize, max_elements: usize) {
    match value {
        Value::String(text) => cut_text(text, max_bytes),
        Value::Array(list) => {
            list.truncate(max_elements);
            list.iter_mut().for_each(|element| cut(element, max_bytes, max_elements));
        }
        Value::Object(fields) => fields.values_mut().for_each(|field| cut(field, max_bytes, max_elements)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn cut_text(text: &mut String, max_bytes: usize) {
    if text.len() <= max_bytes {
        return;
    }
    // A text that was cut before says how much is missing of the first one.
    let (kept, gone) = match text
        .rsplit_once(MARK)
        .and_then(|(kept, rest)| Some((kept, rest.strip_suffix(MARK_END)?.parse::<usize>().ok()?)))
    {
        Some((kept, gone)) => (kept, gone),
        None => (text.as_str(), 0),
    };
    let end = kept.floor_char_boundary(max_bytes.min(kept.len()));
    let gone = gone + kept.len() - end;
    text.truncate(end);
    text.push_str(&format!("{MARK}{gone}{MARK_END}"));
}

const MARK: &str = "…[";
const MARK_END: &str = " bytes cut]";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_and_lists_are_cut_and_everything_else_stays() {
        let long = "é".repeat(40_000);
        let list: Vec<String> = (0..5000).map(|n| n.to_string()).collect();
        let document = serde_json::json!({"id": 18_446_744_073_709_551_615_u64, "args": list, "path": long, "n": [1, null, true]});
        let whole = document.to_string();
        let short = shorten(whole.as_bytes(), |text| text.len() < 30_000).unwrap();
        let short: Value = serde_json::from_str(&short).unwrap();
        assert_eq!((&short["id"], &short["n"]), (&document["id"], &document["n"]));
        assert_eq!(short["args"].as_array().unwrap().len(), 1024);
        let path = short["path"].as_str().unwrap();
        assert!(path.starts_with("éé") && path.ends_with("é…[63616 bytes cut]"), "{path}");
    }

    #[test]
    fn what_is_small_in_every_part_and_large_together_is_given_up() {
        let many: serde_json::Map<String, Value> =
            (0..1000).map(|n| (n.to_string(), Value::from("x"))).collect();
        assert_eq!(shorten(Value::from(many).to_string().as_bytes(), |text| text.len() < 1000), None);
        assert_eq!(shorten(b"{", |_| true), None);
    }

    proptest! {
        #[test]
        fn what_is_shortened_is_json_that_fits_whatever_it_was(text in any::<String>(), n in 1..3000_usize) {
            let document = Value::from(vec![Value::from(text.repeat(n)); 3]).to_string();
            if let Some(short) = shorten(document.as_bytes(), |text| text.len() < 20_000) {
                prop_assert!(short.len() < 20_000 && serde_json::from_str::<Value>(&short).is_ok());
            }
        }
    }
}
