use event::{Kind, LossCause};
use wire::batch::Decoded;

use super::*;
use crate::context::table::Table;
use crate::flow::batcher::{Batcher, Complete, is_lifecycle};
use crate::made::{exec, exit, fork, image, open, task_in};

fn complete(lane: Lane, events: Vec<Event>) -> Complete {
    let mut batcher = Batcher::new(usize::MAX, 0);
    events.into_iter().for_each(|event| batcher.push(event));
    batcher.flush();
    Complete { lane, ..batcher.complete().unwrap() }
}

fn push(backlog: &mut Backlog, lane: Lane, events: Vec<Event>) {
    backlog.push(lane, Waiting::encode(complete(lane, events)));
}

fn within(cgroup: u64, event: Event) -> Event {
    Event { task: task_in(event.task.process.tgid, cgroup), ..event }
}

fn opens(cgroup: u64, count: u64, boot_ns: u64) -> Vec<Event> {
    (0..count).map(|number| within(cgroup, open(1, boot_ns + number))).collect()
}

fn send(backlog: &mut Backlog) -> Option<Decoded> {
    let Message::Batch(bytes) = backlog.next_to_send()? else { panic!("only batches are kept") };
    Some(wire::batch::decode(&wire::batch::parse(bytes).unwrap()).unwrap())
}

/// The time of the first event and the lane of everything that is sent.
fn send_all(backlog: &mut Backlog) -> Vec<(u64, Lane)> {
    let sent = std::iter::from_fn(|| send(backlog));
    sent.map(|batch| (batch.events.first().map_or(0, |event| event.boot_ns), batch.news.lane)).collect()
}

fn delivered(counts: PerKind<u64>) -> Ledger {
    Ledger { delivered: counts, ..Ledger::default() }
}

#[test]
fn the_main_lane_is_sent_first_and_floods_in_turn() {
    let mut backlog = Backlog::new(1 << 20, None);
    for (time, cgroup) in [(10, 7), (20, 7), (30, 8), (40, 8), (50, 7)] {
        push(&mut backlog, Lane::Flood, opens(cgroup, 1, time));
    }
    push(&mut backlog, Lane::Main, vec![exit(1, 60)]);
    push(&mut backlog, Lane::Main, vec![exit(2, 70)]);
    let (main, flood) = (Lane::Main, Lane::Flood);
    let expected = [(60, main), (70, main), (10, flood), (30, flood), (20, flood), (40, flood), (50, flood)];
    assert_eq!(send_all(&mut backlog), expected);
    assert_eq!(backlog.len(), 7);
}

#[test]
fn a_reconnect_sends_the_same_bytes_with_the_same_numbers_again() {
    let mut backlog = Backlog::new(1 << 20, None);
    for time in 1..=4 {
        push(&mut backlog, Lane::Main, vec![fork(2, 1, time)]);
    }
    let first: Vec<Message> = std::iter::from_fn(|| backlog.next_to_send()).collect();
    backlog.lose(WorkloadLoss {
        cgroup: 1,
        workload: "w".into(),
        cause: LossCause::RingFull,
        counts: PerKind::from([(Kind::Exec, 1)]),
    });
    push(&mut backlog, Lane::Main, vec![exit(2, 9)]);
    backlog.ack(1, &Ledger::default()).unwrap();
    backlog.restart();
    let second: Vec<Message> = std::iter::from_fn(|| backlog.next_to_send()).collect();
    assert_eq!(second[..3], first[1..]);
    assert_eq!(second.len(), 4);
    backlog.restart();
    assert_eq!(send(&mut backlog).unwrap().seq, 2);
}

#[test]
fn an_acknowledgement_twice_or_older_changes_nothing_and_one_of_the_future_is_refused() {
    let mut backlog = Backlog::new(1 << 20, None);
    for time in 1..=3 {
        push(&mut backlog, Lane::Main, vec![open(1, time)]);
    }
    assert_eq!(backlog.ack(1, &Ledger::default()), Err(AckError { seq: 1, sent: 0 }));
    send_all(&mut backlog);
    let both = delivered(PerKind::from([(Kind::Open, 2)]));
    backlog.ack(2, &both).unwrap();
    backlog.ack(2, &both).unwrap();
    backlog.ack(1, &both).unwrap();
    backlog.ack(0, &both).unwrap();
    let settled = backlog.settled();
    assert_eq!((settled.ledger.delivered.total(), settled.ledger.by_kind().total()), (2, 2));
    assert_eq!((settled.overclaimed, backlog.len()), (0, 1));
    assert_eq!(backlog.ack(4, &both), Err(AckError { seq: 4, sent: 3 }));
}

#[test]
fn what_settled_while_there_was_no_connection_may_be_acknowledged_before_it_is_sent_again() {
    let mut backlog = Backlog::new(1 << 20, None);
    for time in 1..=3 {
        push(&mut backlog, Lane::Main, vec![open(1, time)]);
    }
    send_all(&mut backlog);
    backlog.restart();
    assert_eq!(send(&mut backlog).unwrap().seq, 1);
    backlog.ack(2, &delivered(PerKind::from([(Kind::Open, 2)]))).unwrap();
    assert_eq!(send(&mut backlog).unwrap().seq, 3);
    assert!(backlog.next_to_send().is_none());
}

#[test]
fn the_flood_pays_first_then_bulk_of_the_heaviest_then_lifecycle_of_the_heaviest() {
    let mut backlog = Backlog::new(1 << 20, None);
    let mixed = |time: u64| {
        let mut events = opens(5, 60, time);
        events.extend(opens(6, 10, time));
        events.extend((0..40).map(|number| within(8, exec(number, time, "/bin/heavy"))));
        events.push(within(9, exit(1, time)));
        events
    };
    for time in [100, 200] {
        push(&mut backlog, Lane::Main, mixed(time));
        push(&mut backlog, Lane::Flood, opens(7, 50, time));
    }
    push(&mut backlog, Lane::Flood, opens(4, 10, 300));
    // Each time the limit takes a little more.
    let mut order: Vec<(u64, &str)> = Vec::new();
    let mut before: HashMap<(u64, Kind), u64> = HashMap::new();
    while backlog.bytes > 2_000 && order.len() < 20 {
        backlog.max_bytes = backlog.bytes - 1;
        backlog.shed();
        for (cgroup, _, losses) in backlog.losers().top(100) {
            for kind in Kind::ALL {
                let (now, last) = (losses.by_kind().get(kind), before.entry((cgroup, kind)).or_default());
                if now > *last {
                    order.push((cgroup, kind.name()));
                }
                *last = now;
            }
        }
    }
    let expected =
        [(7, "open"), (7, "open"), (4, "open"), (5, "open"), (5, "open"), (6, "open"), (6, "open")];
    assert_eq!(order[..7], expected);
    assert_eq!(order[7..9], [(8, "exec"), (8, "exec")], "the exit of another workload stays longest");
}

#[test]
fn workloads_that_weigh_alike_pay_together() {
    let mut backlog = Backlog::new(usize::MAX, None);
    for time in 0..10 {
        let events = (1..=100).map(|cgroup| within(cgroup, open(1, time * 1_000 + cgroup)));
        push(&mut backlog, Lane::Main, events.collect());
    }
    backlog.max_bytes = backlog.bytes / 2;
    backlog.shed();
    assert!(backlog.dropped().rewritten <= 10, "{}", backlog.dropped().rewritten);
    assert!(backlog.dropped().counts.total() >= 500);
}

#[test]
fn what_was_sent_is_never_dropped_and_leaves_room_for_the_newest() {
    let mut backlog = Backlog::new(100_000, None);
    let mut sent = 0;
    for time in 0..2_000 {
        push(&mut backlog, if time % 2 == 0 { Lane::Flood } else { Lane::Main }, opens(7, 20, time * 100));
        sent += send(&mut backlog).map_or(0, |batch| batch.events.len() as u64);
        assert!(backlog.bytes() <= backlog.max_bytes());
    }
    let on_their_way: u64 = backlog.sent.iter().map(|sent| sent.counts.total()).sum();
    assert_eq!((on_their_way, backlog.dropped().counts.total() > 30_000), (sent, true));
    let part = backlog.sent_bytes * 100 / backlog.max_bytes();
    assert!((75..85).contains(&part), "{part} %");
    assert!(backlog.unsent().map(|batch| batch.oldest_ns).max() >= Some(199_000), "the newest is kept");
}

#[test]
fn floods_may_not_take_all_the_room_on_the_way() {
    let mut backlog = Backlog::new(100_000, None);
    while backlog.dropped().counts.total() == 0 {
        push(&mut backlog, Lane::Flood, opens(7, 20, 1));
        send_all(&mut backlog);
    }
    push(&mut backlog, Lane::Main, vec![exit(1, 5)]);
    assert_eq!(send_all(&mut backlog), [(5, Lane::Main)]);
}

#[test]
fn a_drop_is_told_in_the_next_batch_with_whose_it_was() {
    let mut backlog = Backlog::new(usize::MAX, None);
    push(&mut backlog, Lane::Flood, opens(7, 50, 1));
    push(&mut backlog, Lane::Main, vec![exit(1, 5)]);
    backlog.max_bytes = backlog.bytes - 1;
    backlog.shed();
    backlog.max_bytes = usize::MAX;
    let news = send(&mut backlog).unwrap().news;
    assert_eq!(news.lost.len(), 1);
    let lost = &news.lost[0];
    assert_eq!(
        (lost.cgroup, lost.cause, lost.counts),
        (7, LossCause::BacklogFull, PerKind::from([(Kind::Open, 50)]))
    );
    push(&mut backlog, Lane::Main, vec![exit(1, 6)]);
    assert_eq!(send(&mut backlog).unwrap().news.lost, []);
}

#[test]
fn complete_until_is_the_oldest_that_can_still_come() {
    let mut backlog = Backlog::new(1 << 20, None);
    push(&mut backlog, Lane::Flood, opens(7, 1, 100));
    push(&mut backlog, Lane::Flood, opens(7, 1, 150));
    push(&mut backlog, Lane::Main, vec![exit(1, 200)]);
    push(&mut backlog, Lane::Main, vec![exit(2, 300)]);
    backlog.pushed_until(400);
    let mut until = || send(&mut backlog).unwrap().news.complete_until_ns;
    assert_eq!([until(), until(), until(), until()], [100, 100, 150, 400]);
    backlog.pushed_until(500);
    push(&mut backlog, Lane::Main, vec![exit(3, 450)]);
    assert_eq!(send(&mut backlog).unwrap().news.complete_until_ns, 500);
}

#[test]
fn a_gap_is_told_once_and_stays_unsettled_until_that_is_acknowledged() {
    let gap = NotObserved { from_ns: 10, to_ns: 20, reason: "test".into() };
    let mut backlog = Backlog::new(1 << 20, Some(gap.clone()));
    backlog.pushed_until(100);
    assert!(backlog.wants_an_empty_batch());
    backlog.push(Lane::Main, Waiting::empty(100));
    assert!(!backlog.wants_an_empty_batch());
    let first = send(&mut backlog).unwrap();
    assert_eq!((first.news.not_observed, first.events.len(), first.seq), (vec![gap.clone()], 0, 1));
    push(&mut backlog, Lane::Main, vec![exit(1, 90)]);
    assert_eq!(send(&mut backlog).unwrap().news.not_observed, []);
    backlog.restart();
    assert_eq!(send(&mut backlog).unwrap().news.not_observed, [gap]);
    assert_eq!(backlog.unsettled_since_ns(), 10);
    backlog.ack(1, &Ledger::default()).unwrap();
    assert_eq!(backlog.unsettled_since_ns(), 90);
    backlog.ack(2, &Ledger::default()).unwrap();
    assert_eq!(backlog.unsettled_since_ns(), 100);
}

/// A backlog with its table, and what a test did to it.
struct Model {
    backlog: Backlog,
    table: Table,
    state: u64,
    time: u64,
    pushed: PerKind<u64>,
    seqs: Vec<u64>,
    messages: HashMap<u64, Message>,
}

impl Model {
    fn new(seed: u64, max_bytes: usize) -> Self {
        Self {
            backlog: Backlog::new(max_bytes, None),
            table: Table::new(1_000, 1 << 20),
            state: seed,
            time: 0,
            pushed: PerKind::default(),
            seqs: Vec::new(),
            messages: HashMap::new(),
        }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.state >> 33) % below
    }

    fn push(&mut self) {
        let lane = if self.random(3) == 0 { Lane::Flood } else { Lane::Main };
        let cgroup = 1 + self.random(5);
        let events: Vec<Event> = (0..=self.random(30))
            .map(|_| {
                self.time += 1;
                let tgid = u32::try_from(self.random(20)).unwrap();
                let cgroup = if lane == Lane::Main { 1 + self.random(5) } else { cgroup };
                let event = match self.random(4) {
                    _ if lane == Lane::Flood => open(tgid, self.time),
                    0 => exec(tgid, self.time, "/bin/some/program"),
                    1 => fork(tgid, 1, self.time),
                    2 => exit(tgid, self.time),
                    _ => open(tgid, self.time),
                };
                within(cgroup, event)
            })
            .collect();
        events.iter().for_each(|event| *self.pushed.get_mut(event.kind()) += 1);
        let (main_before, lost_before) = (self.main_events(), self.lost_lifecycle());
        let added = if lane == Lane::Main { events.len() as u64 } else { 0 };
        push(&mut self.backlog, lane, events);
        self.backlog.pushed_until(self.time + 1);
        if self.main_events() < main_before + added {
            assert!(self.backlog.floods.is_empty(), "floods pay first");
        }
        if self.lost_lifecycle() > lost_before {
            assert!(self.backlog.weights.values().all(|weight| weight.bulk == 0), "then bulk events");
        }
        let ahead = self.backlog.take_ahead();
        ahead.iter().for_each(|event| self.table.apply(event));
    }

    fn lost_lifecycle(&self) -> u64 {
        let counts = &self.backlog.dropped().counts;
        Kind::ALL.into_iter().filter(|kind| is_lifecycle(*kind)).map(|kind| counts.get(kind)).sum()
    }

    fn main_events(&self) -> u64 {
        self.backlog.main.iter().map(|batch| batch.counts.total()).sum()
    }

    fn send(&mut self) {
        let Some(message) = self.backlog.next_to_send() else { return };
        let Message::Batch(bytes) = &message else { panic!("only batches are kept") };
        let seq = wire::batch::parse(bytes.clone()).unwrap().seq;
        if let Some(before) = self.messages.get(&seq) {
            assert_eq!(before, &message, "sent again as the same bytes");
        } else {
            self.seqs.push(seq);
            self.messages.insert(seq, message);
        }
    }

    fn ack(&mut self) {
        let newest = self.backlog.next_seq - 1;
        let seq = newest - self.random(newest.min(5) + 1);
        let mut held = PerKind::default();
        let news = self.backlog.sent.iter().filter(|sent| sent.seq <= seq);
        news.for_each(|sent| held += &sent.counts);
        let ledger = if self.random(2) == 0 { delivered(held) } else { Ledger::default() };
        let changes = self.backlog.ack(seq, &ledger).unwrap();
        changes.iter().for_each(|event| self.table.apply(event));
    }

    fn check(&self) {
        let backlog = &self.backlog;
        let (waiting, settled) = (backlog.events(), backlog.settled().ledger.by_kind());
        for kind in Kind::ALL {
            let sum = waiting.get(kind) + settled.get(kind) + backlog.dropped().counts.get(kind);
            assert_eq!(self.pushed.get(kind), sum, "{}", kind.name());
        }
        assert!(self.seqs.iter().zip(1..).all(|(seq, expected)| *seq == expected), "{:?}", self.seqs);
        let sent: usize = backlog.sent.iter().map(Sent::bytes).sum();
        let unsent: usize = backlog.unsent().map(Waiting::bytes).sum();
        assert_eq!((sent, sent + unsent), (backlog.sent_bytes, backlog.bytes));
        let mut weights: HashMap<u64, Weight, RandomState> = HashMap::default();
        for share in backlog.main.iter().flat_map(|batch| &batch.shares) {
            let weight = weights.entry(share.cgroup.id).or_default();
            weight.bulk += share.bulk_bytes;
            weight.lifecycle += share.lifecycle_bytes;
        }
        assert_eq!(weights, backlog.weights);
        let turns: std::collections::BTreeSet<u64> = backlog.turns.iter().copied().collect();
        assert!(turns.len() == backlog.turns.len() && turns.iter().eq(backlog.floods.keys()));
    }
}

#[test]
fn whatever_happens_every_event_is_settled_dropped_or_waiting_and_numbers_have_no_holes() {
    for seed in 0..40 {
        let mut model = Model::new(seed, if seed % 4 == 0 { 1 << 20 } else { 20_000 });
        for _ in 0..400 {
            match model.random(10) {
                0..5 => model.push(),
                5..8 => model.send(),
                8 => model.ack(),
                _ => model.backlog.restart(),
            }
            model.check();
        }
    }
}

/// The processes of a table with what they run.
fn processes(table: &Table) -> Vec<(u32, Option<String>)> {
    let path =
        |process: &event::KnownProcess| process.exec.as_ref().map(|exec| exec.executable.path.to_string());
    table.snapshot().iter().map(|process| (process.task.process.tgid, path(process))).collect()
}

#[test]
fn the_table_follows_dropped_events_too_but_not_ahead_of_what_is_on_its_way() {
    let mut backlog = Backlog::new(usize::MAX, None);
    let mut table = Table::new(100, 1 << 20);
    // Large, so that what is carried is little beside it.
    let large = event::What::Exec(image("/bin/first", &[&"x".repeat(64 << 10)]));
    push(&mut backlog, Lane::Main, vec![fork(2, 1, 10), Event { what: large, ..exec(2, 11, "") }]);
    push(&mut backlog, Lane::Main, vec![exec(2, 20, "/bin/second"), fork(3, 2, 21)]);
    push(&mut backlog, Lane::Main, vec![exit(3, 30)]);
    send(&mut backlog).unwrap();
    while backlog.bytes > backlog.sent_bytes && backlog.main.len() > 1 {
        backlog.max_bytes = backlog.bytes - 1;
        backlog.shed();
    }
    assert!(backlog.take_ahead().is_empty(), "the first batch is on its way");
    let changes = backlog.ack(1, &Ledger::default()).unwrap();
    changes.iter().for_each(|event| table.apply(event));
    let second = Some("/bin/second".to_owned());
    assert_eq!(processes(&table), [(2, second.clone()), (3, second.clone())]);
    backlog.max_bytes = 0;
    backlog.shed();
    backlog.take_ahead().iter().for_each(|event| table.apply(event));
    assert_eq!((processes(&table), backlog.is_empty()), (vec![(2, second)], true));
}

#[test]
fn an_analyzer_that_never_acknowledges_cannot_make_the_table_fill_the_backlog() {
    let mut backlog = Backlog::new(50_000, None);
    let mut ahead = 0;
    for time in 0..5_000 {
        push(&mut backlog, Lane::Main, vec![fork(2, 1, time), exit(2, time)]);
        send(&mut backlog);
        ahead += backlog.take_ahead().len();
        assert!(backlog.carried <= backlog.max_bytes() / 10 && backlog.bytes() <= backlog.max_bytes());
    }
    assert!(ahead > 5_000, "{ahead}");
}
