//! Programs that find scratch memory in use, as they do when they preempt each other.

use aya::maps::{IterableMap as _, Map, MapData, PerCpuArray, PerCpuValues};

use super::*;

/// A sensor on whose CPUs the first pieces of scratch memory are in use.
fn with_taken(levels: u32) -> Watch {
    let watch = Watch::new(&format!("busy-{levels}"));
    let id = watch.sensor.counters.map.map().info().unwrap().id();
    let map = Map::PerCpuArray(MapData::from_id(id).unwrap());
    let mut map = PerCpuArray::<_, [u64; counters::WORDS]>::try_from(map).unwrap();
    let mut words = [0; counters::WORDS];
    *words.last_mut().unwrap() = (1 << levels) - 1;
    let cpus = aya::util::nr_cpus().unwrap();
    map.set(0, PerCpuValues::try_from(vec![words; cpus]).unwrap(), 0).unwrap();
    watch
}

#[test]
fn programs_that_preempt_each_other_lose_nothing_and_mix_nothing() {
    if !can_load() {
        return;
    }
    for preemptible in [false, true] {
        loader::IS_PREEMPTIBLE.set(preemptible);
        let mut watch = with_taken(event_abi::limits::SCRATCH_LEVELS.0 - 1);
        assert!(watch.run("opens").success());
        loader::IS_PREEMPTIBLE.set(false);
        assert!(watch.count(Kind::Open) >= workload::COUNT);
        watch.assert_nothing_lost();
    }
}

#[test]
fn without_scratch_memory_an_open_is_counted_as_lost_and_an_exit_is_still_reported() {
    if !can_load() {
        return;
    }
    let mut watch = with_taken(event_abi::limits::SCRATCH_LEVELS.0);
    assert!(watch.run("opens").success());
    assert_eq!((watch.count(Kind::Open), watch.count(Kind::Exit)), (0, 1));
    let counters = watch.sensor.counters();
    assert_eq!(counters.lost.of(LossCause::KernelBusy).get(Kind::Open), counters.generated.get(Kind::Open));
    assert!(counters.lost.of(LossCause::KernelBusy).get(Kind::Open) >= workload::COUNT as u64);
}
