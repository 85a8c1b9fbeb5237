//! Every kind says what the workload did, field by field.

use std::collections::BTreeMap;

use super::*;

#[test]
fn events_of_every_kind_are_exact_and_say_what_was_done() {
    if !can_load() {
        return;
    }
    for table in Table::BOTH {
        let mut watch = Watch::with_table("kinds", table);
        assert!(watch.run("kinds").success());
        let text = std::fs::read_to_string(watch.path("said")).unwrap();
        let wanted: BTreeMap<String, Vec<String>> = serde_json::from_str(&text).unwrap();
        for kind in Kind::ALL.into_iter().filter(|kind| kind.ring() == event::Ring::Bulk) {
            let of_kind = watch.events.iter().filter(|event| event.kind() == kind);
            let said: Vec<String> =
                of_kind.map(|event| format!("{:?}", workloads::kinds::said(&event.what))).collect();
            let wanted = wanted.get(kind.name()).unwrap_or_else(|| panic!("no workload for {kind:?}"));
            if kind == Kind::Open {
                // The workload itself opens more.
                assert!(wanted.iter().all(|wanted| said.contains(wanted)), "{wanted:#?} {said:#?}");
            } else {
                assert_eq!(&said, wanted, "{kind:?}");
            }
        }
        watch.assert_nothing_lost();
    }
}
