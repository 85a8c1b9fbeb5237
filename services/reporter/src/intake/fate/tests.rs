use super::*;

fn fate(n: u32, n_outputs: usize) -> Fate {
    Fate::new(n, vec![true; n_outputs], &[])
}

fn nobody(_: usize) -> bool {
    false
}

#[test]
fn a_group_settles_once_when_every_reliable_output_has_all_of_it() {
    let mut fate = Fate::new(3, [true, true, false], &[]);
    assert!(fate.resolve(0, 0..3, Ok(())).is_finished);
    assert_eq!(fate.settle(nobody), None);
    assert!(!fate.resolve(1, 0..2, Ok(())).is_finished);
    assert_eq!(fate.settle(nobody), None);
    assert!(fate.resolve(1, 2..3, Ok(())).is_finished);
    assert_eq!(fate.settle(nobody), Some(Settlement::default()));
    assert_eq!(fate.settle(nobody), None);
}

#[test]
fn what_one_output_gave_up_and_another_has_is_not_lost() {
    let mut fate = fate(2, 2);
    fate.resolve(0, 0..2, Err(DropCause::Status400));
    fate.resolve(1, 0..1, Ok(()));
    fate.resolve(1, 1..2, Err(DropCause::Status413));
    let settlement = fate.settle(nobody).unwrap();
    assert_eq!(settlement.lost, [(1, DropCause::Status400)]);
    assert_eq!(settlement.written_off, []);
}

#[test]
fn an_output_that_has_left_is_not_waited_for_and_what_others_have_stays_its_own() {
    let mut fate = fate(2, 2);
    fate.resolve(0, 0..2, Ok(()));
    assert_eq!(fate.settle(|output| output == 1), Some(Settlement::default()));
    assert!(!fate.is_void_for(1));
    let late = fate.resolve(1, 0..2, Ok(()));
    assert_eq!(late, Resolved { is_finished: true, ..Resolved::default() });
}

#[test]
fn what_nobody_has_when_the_last_output_leaves_is_written_off_there_and_not_counted_again() {
    let mut fate = fate(3, 2);
    fate.resolve(0, 0..1, Ok(()));
    fate.resolve(0, 1..3, Err(DropCause::Status403));
    fate.resolve(1, 2..3, Err(DropCause::EntryTooLarge));
    let settlement = fate.settle(|output| output == 1).unwrap();
    assert_eq!(settlement.lost, [(1, DropCause::Status403), (2, DropCause::Status403)]);
    assert_eq!(settlement.written_off, [(1, vec![1])]);
    assert!(!fate.is_void_for(1), "document 0 is still of use");
    let resolved = fate.resolve(1, 0..3, Ok(()));
    assert_eq!(
        resolved,
        Resolved { is_finished: true, counted_before: vec![1, 2], written_off: 1, unspooled: 0 }
    );
    assert!(fate.is_void_for(1));
}

#[test]
fn an_output_that_has_left_is_waited_for_while_its_spool_is_asked_and_the_spool_has_what_it_keeps() {
    let everybody = |_: usize| true;
    let mut fate = fate(3, 1);
    fate.resolve(0, 0..1, Err(DropCause::Status400));
    fate.ask_spool(0);
    assert_eq!(fate.settle(everybody), None, "the spool has not answered");
    assert!(fate.begin_record(0, 7));
    assert_eq!(fate.settle(everybody), None, "written is not committed");
    assert_eq!(fate.keep(0), 2);
    assert!(fate.is_kept(0));
    assert_eq!(fate.settle(nobody).unwrap().lost, [(0, DropCause::Status400)], "what was given up before");
    let resolved = fate.resolve(0, 0..3, Ok(()));
    assert_eq!((resolved.counted_before, resolved.unspooled, resolved.is_finished), (vec![0], 2, true));
}

#[test]
fn what_the_spool_refuses_is_lost_with_an_output_that_has_left_and_what_is_done_is_not_written() {
    let mut refused = fate(1, 1);
    refused.ask_spool(0);
    refused.begin_record(0, 7);
    refused.refuse_record(0);
    assert_eq!((refused.record(0), refused.is_kept(0)), (None, false));
    assert_eq!(refused.settle(nobody), None);
    assert_eq!(refused.settle(|_| true).unwrap().lost, [(0, DropCause::OutputDown)]);
    let mut done = fate(1, 1);
    done.ask_spool(0);
    done.resolve(0, 0..1, Ok(()));
    assert!(!done.begin_record(0, 7));
}

#[test]
fn a_group_from_the_spool_is_its_outputs_alone_and_settles_nothing() {
    let mut fate = Fate::spooled(2, 1, 9, &[(0, DropCause::TooLarge)]);
    assert_eq!((fate.record(1), fate.is_kept(1), fate.is_void_for(0)), (Some(9), true, true));
    let resolved = fate.resolve(1, 0..2, Ok(()));
    assert_eq!((resolved.unspooled, resolved.is_finished), (1, true));
    assert_eq!(fate.settle(nobody), None);
}

#[test]
fn resolving_twice_changes_nothing() {
    let mut fate = fate(2, 1);
    fate.resolve(0, 0..2, Err(DropCause::Status400));
    let again = fate.resolve(0, 0..2, Ok(()));
    assert_eq!(
        again,
        Resolved { is_finished: false, counted_before: vec![0, 1], written_off: 0, unspooled: 0 }
    );
    assert_eq!(fate.settle(nobody).unwrap().lost.len(), 2);
}

#[test]
fn the_unfit_are_lost_and_no_output_is_waited_for_when_nothing_else_is_there() {
    let mut fate = Fate::new(1, [true], &[(0, DropCause::NotUtf8)]);
    assert_eq!(fate.settle(nobody).unwrap().lost, [(0, DropCause::NotUtf8)]);
}

#[test]
fn places_hold_what_was_put_in() {
    let mut places = Places::None;
    places.insert(0..1, 130);
    places.insert(64..66, 130);
    places.insert(129..130, 130);
    let held: Vec<u32> = (0..130).filter(|place| places.contains(*place)).collect();
    assert_eq!(held, [0, 64, 65, 129]);
    places.insert(0..130, 130);
    assert_eq!(places, Places::All);
}
