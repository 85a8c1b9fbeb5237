use event::{Kind, What};

use super::*;
use crate::made::{exec, exit, image, open, task_in};

const SECOND: u64 = 1_000_000_000;

fn all(batcher: &mut Batcher) -> Vec<Complete> {
    std::iter::from_fn(|| batcher.complete()).collect()
}

fn open_in(cgroup: u64, boot_ns: u64) -> Event {
    Event { task: task_in(1, cgroup), ..open(1, boot_ns) }
}

/// A step in which this control group opens so many files.
fn step(batcher: &mut Batcher, now_ns: u64, cgroup: u64, events: u32) {
    batcher.step(now_ns);
    for number in 0..events {
        batcher.push(open_in(cgroup, now_ns + u64::from(number)));
    }
}

/// Events by lane and control group.
fn lanes(batcher: &mut Batcher) -> Vec<(Lane, u64, u64)> {
    batcher.flush();
    let parts = all(batcher).into_iter().flat_map(|complete| {
        let lane = complete.lane;
        complete.shares.into_iter().map(move |share| (lane, share.cgroup.id, share.counts.total()))
    });
    parts.collect()
}

#[test]
fn a_batch_is_complete_by_count_and_knows_whose_its_events_are() {
    let mut batcher = Batcher::new(3, 100);
    batcher.push(open_in(7, 1));
    batcher.push(open_in(8, 1));
    assert!(batcher.complete().is_none());
    batcher.push(Event { task: task_in(1, 7), ..exit(1, 2) });
    let complete = batcher.complete().unwrap();
    assert_eq!((complete.lane, complete.events.len()), (Lane::Main, 3));
    assert_eq!((complete.counts.get(Kind::Open), complete.counts.get(Kind::Exit)), (2, 1));
    let [seven, eight] = &complete.shares[..] else { panic!("two control groups") };
    assert_eq!((seven.cgroup.id, seven.counts.get(Kind::Open), seven.counts.get(Kind::Exit)), (7, 1, 1));
    assert!(seven.bulk_bytes > 0 && seven.lifecycle_bytes > 0);
    assert_eq!((eight.cgroup.id, eight.counts.total(), eight.lifecycle_bytes), (8, 1, 0));
    batcher.flush();
    assert!(batcher.complete().is_none());
}

#[test]
fn a_batch_is_complete_by_the_age_of_its_first_event() {
    let mut batcher = Batcher::new(10, 100);
    assert_eq!(batcher.deadline_ns(), None);
    batcher.push(open(1, 50));
    batcher.push(open(1, 149));
    assert_eq!((batcher.oldest_ns(), batcher.deadline_ns()), (Some(50), Some(150)));
    batcher.due(149);
    assert!(batcher.complete().is_none());
    batcher.due(150);
    assert_eq!(batcher.complete().unwrap().events.len(), 2);
    batcher.due(u64::MAX);
    assert!(batcher.complete().is_none());
}

#[test]
fn a_batch_is_complete_by_weight() {
    let mut batcher = Batcher::new(1_000_000, 100);
    let args = "x".repeat(64 << 10);
    let event = Event { boot_ns: 1, task: task_in(1, 1), what: What::Exec(image("/bin/a", &[&args])) };
    (0..100).for_each(|_| batcher.push(event.clone()));
    let complete = batcher.complete().unwrap();
    assert!(complete.events.len() <= 33, "{}", complete.events.len());
    assert!(event_bytes(&exec(1, 1, "/a")) < 1024);
}

#[test]
fn a_flood_has_a_lane_of_its_own_and_its_lifecycle_has_not() {
    let mut batcher = Batcher::new(100_000, 100);
    step(&mut batcher, SECOND, 7, 700);
    batcher.push(Event { task: task_in(1, 7), ..exit(1, SECOND + 2_000) });
    batcher.push(open_in(8, SECOND + 2_001));
    let expected = [(Lane::Main, 7, 256 + 1), (Lane::Main, 8, 1), (Lane::Flood, 7, 444)];
    assert_eq!(lanes(&mut batcher), expected);
}

#[test]
fn batches_of_a_flood_are_short() {
    let mut batcher = Batcher::new(100_000, 100);
    step(&mut batcher, SECOND, 7, 256 + 1_100);
    let sizes: Vec<_> = lanes(&mut batcher).into_iter().filter(|(lane, ..)| *lane == Lane::Flood).collect();
    assert_eq!(sizes, [(Lane::Flood, 7, 512), (Lane::Flood, 7, 512), (Lane::Flood, 7, 76)]);
}

#[test]
fn a_workload_that_leaves_room_stays_in_the_main_lane() {
    let mut batcher = Batcher::new(100_000, 100);
    for number in 0..10 {
        step(&mut batcher, SECOND + number, 7, FLOOD_EVENTS);
    }
    assert_eq!(lanes(&mut batcher), [(Lane::Main, 7, 2_560)]);
}

#[test]
fn a_flood_lasts_a_second_after_its_last_large_step() {
    let mut batcher = Batcher::new(100_000, 100);
    step(&mut batcher, SECOND, 7, 257);
    step(&mut batcher, 2 * SECOND - 1, 7, 10);
    assert_eq!(lanes(&mut batcher), [(Lane::Main, 7, 256), (Lane::Flood, 7, 11)]);
    step(&mut batcher, 2 * SECOND, 7, 10);
    assert_eq!(lanes(&mut batcher), [(Lane::Main, 7, 10)]);
    step(&mut batcher, 2 * SECOND, 7, 300);
    batcher.step(3 * SECOND);
    let complete = all(&mut batcher);
    assert_eq!((complete.len(), complete[0].lane), (1, Lane::Flood), "what was open leaves with the lane");
}

#[test]
fn beyond_the_last_lane_a_larger_flood_takes_that_of_the_smallest() {
    let mut batcher = Batcher::new(100_000, 100);
    for cgroup in 1..=16 {
        step(&mut batcher, SECOND, cgroup, 300 + u32::try_from(cgroup).unwrap());
    }
    step(&mut batcher, SECOND, 17, 280);
    step(&mut batcher, SECOND, 18, 600);
    let floods: Vec<u64> = lanes(&mut batcher)
        .into_iter()
        .filter_map(|(lane, cgroup, _)| (lane == Lane::Flood).then_some(cgroup))
        .collect();
    assert_eq!(floods.len(), 17, "the events of the smallest leave, those of the seventeenth had no lane");
    assert!(!floods.contains(&17) && floods.contains(&18));
    assert_eq!(batcher.floods.len(), MAX_FLOODS);
    assert!(!batcher.floods.contains(&1));
}

#[test]
fn quiet_control_groups_are_forgotten() {
    let mut batcher = Batcher::new(100, 100);
    for cgroup in 0..10_000 {
        step(&mut batcher, SECOND, cgroup, 1);
        all(&mut batcher);
    }
    assert!(batcher.loads.len() <= MAX_LOADS + 1, "{}", batcher.loads.len());
}
