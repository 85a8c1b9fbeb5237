//! The grammar for editors, in the form of TextMate: `docs/editors/secl.tmLanguage.json`.
//!
//! Invariant: operators, words and event types are those of the language itself; only the shape of tokens is written
//! here, and a test reads every token of the language with it.

use secl::Model;
use secl::syntax::{WORDS, symbols};

use crate::fields::{Fields, Os};

/// The grammar as JSON.
#[must_use]
pub fn grammar() -> String {
    let patterns: Vec<String> = patterns()
        .iter()
        .map(|(scope, pattern)| {
            format!("    {{ \"name\": \"{scope}.secl\", \"match\": \"{}\" }}", json(pattern))
        })
        .collect();
    format!(
        "{{\n  \"name\": \"SECL\",\n  \"scopeName\": \"source.secl\",\n  \"fileTypes\": [\"secl\"],\n  \"patterns\": [\n{}\n  ]\n}}\n",
        patterns.join(",\n")
    )
}

/// What is a token, in the order in which an editor tries them.
fn patterns() -> Vec<(&'static str, String)> {
    let linux = Fields::new(Os::Linux);
    let operators: Vec<String> = symbols().filter(|symbol| !"()[],".contains(symbol)).map(escape).collect();
    let mut roots: Vec<&str> =
        linux.fields().iter().filter_map(|field| field.name.split('.').next()).collect();
    roots.sort_unstable();
    roots.dedup();
    vec![
        ("comment.line", "(#|//).*$".to_owned()),
        (
            "constant.numeric.address",
            r"\b\d{1,3}(\.\d{1,3}){3}(/\d+)?\b|[0-9a-fA-F]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(/\d+)?".to_owned(),
        ),
        ("variable.other", r"[$%]\{[A-Za-z_][A-Za-z0-9_.\[\]]*\}".to_owned()),
        ("string.regexp", r#"\br"(\\.|[^"\\])*""#.to_owned()),
        ("string.quoted.pattern", r#"~"(\\.|[^"\\])*""#.to_owned()),
        ("string.quoted.double", r#""(\\.|[^"\\])*""#.to_owned()),
        ("constant.numeric.duration", r"\b\d+(ms|s|m|h)\b".to_owned()),
        ("constant.language", r"\b(true|false)\b".to_owned()),
        ("keyword.operator.word", format!(r"\b({})\b", WORDS.join("|"))),
        ("support.variable.field", format!(r"\b({})(\.[A-Za-z0-9_]+|\[[A-Za-z0-9_]+\])+", roots.join("|"))),
        ("constant.other", r"\b[A-Z][A-Z0-9_]{2,}\b".to_owned()),
        ("entity.name", r"\b[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+|\[[A-Za-z0-9_]+\])*".to_owned()),
        ("constant.numeric", r"[+-]?\b\d+\b".to_owned()),
        ("keyword.operator", operators.join("|")),
    ]
}

/// Symbols as a regexp takes them.
fn escape(symbol: &str) -> String {
    symbol.chars().map(|c| if "|^+".contains(c) { format!("\\{c}") } else { c.to_string() }).collect()
}

fn json(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The scope of each token of a line of ASCII, as an editor would find it.
    fn scopes(line: &str) -> Vec<(&'static str, String)> {
        let patterns: Vec<_> = patterns()
            .into_iter()
            .map(|(scope, pattern)| (scope, regex::Regex::new(&pattern).unwrap()))
            .collect();
        let (mut at, mut found) = (0, Vec::new());
        while at < line.len() {
            let here = patterns.iter().find_map(|(scope, regex)| {
                regex
                    .find_at(line, at)
                    .filter(|found| found.start() == at && !found.is_empty())
                    .map(|m| (*scope, m))
            });
            match here {
                Some((scope, token)) => {
                    found.push((scope, token.as_str().to_owned()));
                    at = token.end();
                }
                None => at += 1,
            }
        }
        found
    }

    #[test]
    fn every_token_of_the_language_has_a_colour() {
        let line = r#"exec.file.path =~ ~"/a\"*" && !(O_CREAT in [ ::1/128, 10.0.0.0/8 ]) or x == r"y" < 500ms -3 ${v} it[A].k not "s" # end"#;
        let found = scopes(line);
        let scope = |token: &str| found.iter().find(|(_, text)| text == token).map(|(scope, _)| *scope);
        for (token, expected) in [
            ("exec.file.path", "support.variable.field"),
            ("=~", "keyword.operator"),
            (r#"~"/a\"*""#, "string.quoted.pattern"),
            ("&&", "keyword.operator"),
            ("O_CREAT", "constant.other"),
            ("in", "keyword.operator.word"),
            ("::1/128", "constant.numeric.address"),
            ("10.0.0.0/8", "constant.numeric.address"),
            (r#"r"y""#, "string.regexp"),
            ("500ms", "constant.numeric.duration"),
            ("${v}", "variable.other"),
            ("it[A].k", "entity.name"),
            ("not", "keyword.operator.word"),
            (r#""s""#, "string.quoted.double"),
            ("# end", "comment.line"),
        ] {
            assert_eq!(scope(token), Some(expected), "{token}: {found:?}");
        }
        for symbol in symbols().filter(|symbol| !"()[],".contains(symbol)) {
            assert_eq!(scopes(&format!("a {symbol} b"))[1], ("keyword.operator", symbol.to_owned()));
        }
    }
}
