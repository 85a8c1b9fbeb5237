//! Any text as a rule: it is refused with errors that can be shown, or means the same once printed and read again.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rule_model::{Fields, Os};
use secl::syntax::{parse_macro, parse_rule};
use secl::{Binding, Bucket, Macros, check_rule};

static FIELDS: LazyLock<Fields> = LazyLock::new(|| Fields::new(Os::Linux));

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for parsed in [parse_rule(text), parse_macro(text)] {
        match parsed {
            Ok(parsed) => {
                let printed = parsed.expr.to_string();
                let again = parse_macro(&printed).map(|again| again.expr);
                assert_eq!(again.as_ref(), Ok(&parsed.expr), "{text:?} is printed as {printed:?}");
            }
            Err(errors) => {
                assert!(!errors.is_empty());
                errors.iter().for_each(|error| assert!(!error.render(text).is_empty()));
            }
        }
    }
    match check_rule(text, &*FIELDS, &Macros::default(), Binding::Any) {
        Ok(rule) => drop(Bucket::new([&rule])),
        Err(errors) => errors.iter().for_each(|error| assert!(!error.render(text).is_empty())),
    }
});
