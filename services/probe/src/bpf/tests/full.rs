//! Rings that are full: what is lost, what is not, and who pays.

use super::*;

/// Nothing is drained while they run, so that the strings overflow in any case: 75 MiB into 8.
#[test]
fn execs_whose_strings_find_no_room_are_reported_without_them_and_nothing_else_is_lost() {
    if !can_load() {
        return;
    }
    let mut watch = Watch::new("heavy-execs");
    assert!(watch.run_undrained("heavy-execs").success());
    let n = workload::STARTERS * workload::STARTED;
    assert_eq!((watch.count(Kind::Exec), watch.count(Kind::Fork), watch.count(Kind::Exit)), (n, n, n + 1));
    watch.assert_nothing_lost();
    assert!(watch.sensor.counters().lost_other > 0);
    let (mut whole, mut cut) = (0, 0);
    for exec in watch.execs() {
        let letters = exec.args.items.get(1).map(Text::as_bytes).unwrap_or_default();
        assert!(letters.windows(2).all(|pair| pair[0] == pair[1]), "strings of different execs are mixed");
        if exec.args.truncated {
            cut += 1;
        } else {
            whole += 1;
            assert_eq!(letters.len(), workload::WHOLE_ARGUMENTS);
        }
    }
    assert!(whole > 0 && cut > 0, "{whole} {cut}");
}
