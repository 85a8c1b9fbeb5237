//! Rings that are full: what is lost, what is not, and who pays.

use event::LossCause;

use super::*;

const RING: usize = 256 << 10;
/// What a cgroup may send between two drains.
const SHARE: usize = RING / 4;
/// What an open has at least in the ring.
const OPEN_BYTES: usize = 250;

/// A sensor with small rings that watches two cgroups: one that floods them, and one that does little.
struct Neighbours {
    watch: Watch,
    quiet: OwnCgroup,
}

impl Neighbours {
    fn new(name: &str) -> Self {
        let loud = OwnCgroup::new(name).unwrap();
        let quiet = OwnCgroup::new(&format!("{name}-quiet")).unwrap();
        let config = SensorConfig {
            scope: Scope::Cgroup { ids: vec![loud.id(), quiet.id()] },
            never_drop_bytes: 128 << 10,
            strings_bytes: RING,
            bulk_bytes: RING,
            kinds: Kind::ALL.to_vec(),
        };
        let mut watch = Watch::with_config(loud, &config);
        watch.drain();
        Self { watch, quiet }
    }

    /// Nothing is drained before all have ended.
    fn run(&mut self, loud: &str, quiet: &str) {
        let directory = self.watch.path("");
        assert!(spawn(&self.watch.cgroup.procs(), &directory, loud).wait().unwrap().success());
        assert!(spawn(&self.quiet.procs(), &directory, quiet).wait().unwrap().success());
        self.watch.drain();
    }

    fn count(&self, cgroup: &OwnCgroup, kind: Kind) -> usize {
        let is_it = |event: &&Event| event.task.cgroup.id == cgroup.id() && event.kind() == kind;
        self.watch.events.iter().filter(is_it).count()
    }

    /// All of it the loud one's, and nothing is lost for another cause.
    fn lost_by_share(&self, kind: Kind) -> u64 {
        let counters = self.watch.sensor.counters();
        let loud = self.watch.cgroup.id();
        assert_eq!(
            self.watch.sensor.losses(&counters),
            [CgroupLoss {
                cgroup: loud,
                cause: LossCause::RingShare,
                counts: *counters.lost.of(LossCause::RingShare)
            }],
            "{counters:?}"
        );
        counters.lost.of(LossCause::RingShare).get(kind)
    }
}

#[test]
fn a_flood_of_opens_leaves_room_for_the_opens_of_others_and_ends_with_the_next_drain() {
    if !can_load() {
        return;
    }
    let mut both = Neighbours::new("share-opens");
    for _ in 0..SHARE / (workload::FEW * OPEN_BYTES) + 1 {
        // More than a share in the end, but not between two drains.
        both.run("nothing", "few-opens");
    }
    let quiet = both.count(&both.quiet, Kind::Open);
    both.run("opens", "few-opens");
    let lost = both.lost_by_share(Kind::Open);
    assert!(lost > 0 && both.count(&both.quiet, Kind::Open) >= quiet + workload::FEW);
    let before = both.count(&both.watch.cgroup, Kind::Open);
    both.run("few-opens", "few-opens");
    assert!(both.count(&both.watch.cgroup, Kind::Open) >= before + workload::FEW);
    assert_eq!(both.lost_by_share(Kind::Open), lost);
}

#[test]
fn a_flood_of_forks_leaves_room_for_the_processes_of_others() {
    if !can_load() {
        return;
    }
    let mut both = Neighbours::new("share-forks");
    both.run("forks", "exec");
    assert!(both.lost_by_share(Kind::Fork) > 0 && both.lost_by_share(Kind::Exit) > 0);
    let seen = Kind::ALL.map(|kind| both.count(&both.quiet, kind));
    assert_eq!((seen[0], seen[1], seen[2]), (1, 1, 2), "{seen:?}");
}

#[test]
fn a_flood_of_strings_leaves_room_for_the_strings_of_others() {
    if !can_load() {
        return;
    }
    let mut both = Neighbours::new("share-strings");
    both.run("heavy-execs", "exec");
    let quiet = both.watch.events.iter().filter(|event| event.task.cgroup.id == both.quiet.id());
    let execs: Vec<_> = quiet
        .filter_map(|event| if let What::Exec(exec) = &event.what { Some(exec) } else { None })
        .collect();
    let [exec] = execs.as_slice() else { panic!("{}", execs.len()) };
    assert!(!exec.args.truncated && !exec.envs.truncated);
    assert_eq!(exec.args.items[1].len(), workload::FEW_ARGUMENTS);
}

/// Nothing is drained while they run, so that the strings overflow in any case: 75 MiB into 8.
#[test]
fn execs_whose_strings_find_no_room_are_reported_without_them_and_nothing_else_is_lost() {
    if !can_load() {
        return;
    }
    let mut watch = Watch::new("heavy-execs");
    assert!(spawn(&watch.cgroup.procs(), &watch.path(""), "heavy-execs").wait().unwrap().success());
    watch.drain();
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

#[test]
fn what_a_cgroup_lost_is_told_once_more_when_it_is_gone_and_its_room_is_free() {
    if !can_load() {
        return;
    }
    let mut both = Neighbours::new("gone");
    both.run("opens", "nothing");
    let loud = both.watch.cgroup.id();
    let before = both.watch.sensor.losses(&both.watch.sensor.counters());
    assert!(before[0].counts.get(Kind::Open) > 0 && both.watch.sensor.losses.has(loud), "{before:?}");
    // More is lost, and nobody looks before the cgroup is forgotten.
    both.run("opens", "nothing");
    both.watch.sensor.forget(loud);
    assert!(!both.watch.sensor.losses.has(loud));
    let counters = both.watch.sensor.counters();
    let told = both.watch.sensor.losses(&counters);
    let all = CgroupLoss {
        cgroup: loud,
        cause: LossCause::RingShare,
        counts: *counters.lost.of(LossCause::RingShare),
    };
    assert_eq!(told, [all]);
    assert!(told[0].counts.total() > before[0].counts.total());
    assert_eq!(both.watch.sensor.losses(&counters), []);
    // The sum is still exact, with those who are there.
    both.watch.sensor.decide(loud, Decision::Watch).unwrap();
    both.run("opens", "nothing");
    let after = both.watch.sensor.counters();
    let again = both.watch.sensor.losses(&after);
    let lost = |counters: &KernelCounters| counters.lost.of(LossCause::RingShare).get(Kind::Open);
    assert_eq!(again[0].counts.get(Kind::Open), lost(&after) - lost(&counters));
}

/// The map is told to be full by entries of cgroups that do not exist.
#[test]
fn losses_of_more_cgroups_than_the_map_holds_are_nobodys_and_the_sum_stays_exact() {
    if !can_load() {
        return;
    }
    let mut both = Neighbours::new("losses");
    both.watch.sensor.losses.fill();
    both.run("opens", "nothing");
    let counters = both.watch.sensor.counters();
    assert!(counters.lost.of(LossCause::RingShare).get(Kind::Open) > 0);
    let nobodys = CgroupLoss {
        cgroup: 0,
        cause: LossCause::RingShare,
        counts: *counters.lost.of(LossCause::RingShare),
    };
    assert_eq!(both.watch.sensor.losses(&counters), [nobodys]);
}
