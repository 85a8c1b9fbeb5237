use event::{Kind, LossCause, Losses, PerKind};
use wire::v1::{
    Backlog, Gap, Hook, Host, KindCounts, Loss, LostByWorkload, Metric, ProbeStatus, ServiceStatus,
};

use super::*;

fn counts(exec: u64, fork: u64, exit: u64, open: u64) -> KindCounts {
    PerKind::from([(Kind::Exec, exec), (Kind::Fork, fork), (Kind::Exit, exit), (Kind::Open, open)]).into()
}

fn loss(cause: &str, counts: KindCounts) -> Loss {
    Loss { cause: cause.to_owned(), counts: Some(counts) }
}

fn metric<const N: usize>(name: &str, labels: [(&str, &str); N], value: u64) -> Metric {
    wire::status::metric(name, labels, value)
}

fn reporter_counters() -> Vec<Metric> {
    let of = |name: &str, destination, value| {
        metric(&format!("reporter_destination_{name}"), [("destination", destination)], value)
    };
    let down = [("destination", "intake"), ("cause", "output_down")];
    vec![
        of("delivered_total", "file", 41),
        of("payloads_total", "file", 41),
        of("delivered_total", "intake", 40),
        of("payloads_total", "intake", 42),
        of("queue_bytes", "intake", 4096),
        of("down_seconds", "intake", 60),
        of("left_mark_up", "intake", 1),
        metric("reporter_destination_dropped_total", down, 1),
    ]
}

fn example() -> AnalyzerStatus {
    AnalyzerStatus {
        analyzer: Some(ServiceStatus {
            service: "analyzer".into(),
            version: "0.1.0".into(),
            uptime_seconds: 61,
            metrics: vec![
                metric("analyzer_api_dropped_total", [("what", "event")], 2),
                metric("analyzer_api_subscribers", [], 3),
            ],
        }),
        host: Some(Host { hostname: "box".into(), kernel: "6.18.0".into(), ..Host::default() }),
        probe_connected: true,
        probe: Some(ProbeStatus {
            hooks: vec![
                Hook {
                    kind: "exec".into(),
                    program: "on_exec".into(),
                    attach: "tp_btf/sched_process_exec".into(),
                    active: true,
                    error: String::new(),
                    refused: vec!["on_better: not in this kernel".into()],
                    ..Hook::default()
                },
                Hook {
                    kind: "open".into(),
                    program: "on_open".into(),
                    attach: "tp_btf/sys_exit".into(),
                    active: false,
                    error: "not permitted: opens are not seen".into(),
                    ..Hook::default()
                },
                Hook {
                    kind: "bind".into(),
                    program: "on_bind".into(),
                    attach: "tp_btf/sys_exit".into(),
                    unwanted_since_ns: 1_795_219_200_000_000_000,
                    ..Hook::default()
                },
            ],
            generated: Some(counts(1000, 20, 20, 123_456)),
            delivered: Some(counts(990, 20, 18, 123_453)),
            no_taker: Some(counts(8, 0, 0, 0)),
            lost: vec![
                loss("ring_full", counts(2, 0, 0, 0)),
                loss("kernel_busy", counts(0, 0, 0, 0)),
                loss("backlog_full", counts(0, 0, 0, 3)),
            ],
            workloads: vec![LostByWorkload {
                cgroup: 7,
                workload: "c0ffee".into(),
                lost: vec![loss("backlog_full", counts(0, 0, 0, 3))],
            }],
            backlog: Some(Backlog {
                bytes: 32 << 20,
                max_bytes: 64 << 20,
                events: 1000,
                oldest_ms: 250,
                holds_seconds: 40,
            }),
            uptime_seconds: 125,
            restarts: 1,
            not_observed: vec![Gap {
                from_ns: 1_795_219_200_000_000_000,
                to_ns: 1_795_219_201_500_000_000,
                reason: "the probe was killed".into(),
            }],
            scope: "containers".into(),
            ..ProbeStatus::default()
        }),
        reporter_error: "cannot connect".into(),
        reporter: Some(ServiceStatus { metrics: reporter_counters(), ..ServiceStatus::default() }),
        ..AnalyzerStatus::default()
    }
}

#[test]
fn the_page_begins_with_the_verdict_and_shows_every_kind_from_the_kernel_to_the_output() {
    let text = page(&example(), false, Paint::new(false));
    let expected = "\
Shrike on box, kernel 6.18.0, scope containers

  124 496 events happened, 5 LOST (3 backlog_full, 2 ring_full), most of them of c0ffee, 2 on their way.
  not observed from 2026-11-21T00:00:00.000Z to 2026-11-21T00:00:01.500Z: the probe was killed

  probe     up    up for 2m 5s, restarted once
  analyzer  up    version 0.1.0, up for 1m 1s
  reporter  down  cannot connect
  backlog   32.00 MiB of 64.00 MiB (50 %), 1 000 events, the oldest is 250ms old; has room for 40s at this rate

Hooks
  exec  on_exec  tp_btf/sched_process_exec  active
        refused: on_better: not in this kernel
  open  on_open  tp_btf/sys_exit            absent  not permitted: opens are not seen
  bind  on_bind  tp_btf/sys_exit            off     not observed since 2026-11-21T00:00:00.000Z: nobody takes such events

Events
                        exec    fork    exit     open    total
  generated            1 000      20      20  123 456  124 496
  suppressed               0       0       0        0        0
  lost: ring_full          2       0       0        0        2
  lost: backlog_full       0       0       0        3        3
  in flight                0       0       2        0        2
  judged, no taker         8       0       0        0        8
  at the output          990      20      18  123 453  124 481

Lost most
  c0ffee                    backlog_full 3 open

Outputs
  file    41 delivered
  intake  40 delivered, 1 waiting (4.00 KiB), DOWN for 1m, the others no longer wait for it, 1 dropped: output_down

Dropped, refused or failed (--all shows every counter)
  analyzer_api_dropped_total{what=event}                                    2
  reporter_destination_dropped_total{cause=output_down,destination=intake}  1
";
    assert_eq!(text, expected);
}

#[test]
fn all_also_shows_causes_without_loss_and_every_counter() {
    let text = page(&example(), true, Paint::new(false));
    for line in [
        "  lost: kernel_busy        0       0       0        0        0\n",
        "Analyzer counters\n",
        "analyzer_api_subscribers  ",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
    assert!(!text.contains("--all"));
}

#[test]
fn whatever_was_lost_for_whatever_cause_has_a_row_and_is_in_the_verdict() {
    for cause in LossCause::ALL {
        let mut losses = Losses::default();
        losses.add(cause, &PerKind::from([(Kind::Open, 7)]));
        let lost = wire::status::encode_losses(&losses);
        let probe = ProbeStatus { generated: Some(counts(0, 0, 0, 9)), lost, ..ProbeStatus::default() };
        let status = AnalyzerStatus { probe: Some(probe), ..AnalyzerStatus::default() };
        let text = page(&status, false, Paint::new(false));
        let (row, verdict) = (format!("  lost: {}  ", cause.name()), format!("7 LOST (7 {})", cause.name()));
        assert!(text.contains(&row) && text.contains(&verdict), "{cause:?}:\n{text}");
    }
}

#[test]
fn a_machine_without_loss_says_so_in_one_green_line() {
    let probe = ProbeStatus {
        generated: Some(counts(1, 0, 0, 0)),
        delivered: Some(counts(1, 0, 0, 0)),
        ..ProbeStatus::default()
    };
    let text =
        page(&AnalyzerStatus { probe: Some(probe), ..AnalyzerStatus::default() }, false, Paint::new(true));
    assert!(text.contains("\u{1b}[32m1 events happened, none is lost.\u{1b}[0m"), "{text:?}");
}

#[test]
fn counters_that_settle_more_than_happened_are_a_verdict_of_their_own() {
    let probe = ProbeStatus { delivered: Some(counts(1, 0, 0, 0)), ..ProbeStatus::default() };
    let text =
        page(&AnalyzerStatus { probe: Some(probe), ..AnalyzerStatus::default() }, false, Paint::new(false));
    assert!(text.contains("The counters disagree"), "{text}");
}

#[test]
fn loss_and_absent_hooks_are_red_and_colours_change_nothing_else() {
    let plain = page(&example(), false, Paint::new(false));
    let colour = page(&example(), false, Paint::new(true));
    assert_eq!(console::strip_ansi_codes(&colour), plain);
    let red = "\u{1b}[1m\u{1b}[31m";
    assert!(colour.contains(&format!("{red}absent")), "{colour:?}");
    assert!(colour.contains(&format!("{red}  lost: ring_full")), "{colour:?}");
}

#[test]
fn names_from_elsewhere_cannot_write_to_the_terminal() {
    let mut status = example();
    status.probe_connected = false;
    status.probe_error = "\u{1b}[2Jgone".into();
    status.host = Some(Host { hostname: "\u{202e}xob".into(), ..Host::default() });
    let text = page(&status, false, Paint::new(false));
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
    assert!(text.contains("\\x1b[2Jgone"));
}

#[test]
fn without_a_probe_the_page_says_so() {
    let status = AnalyzerStatus { probe: None, probe_connected: false, ..example() };
    let text = page(&status, false, Paint::new(false));
    assert!(text.contains("probe     down  not connected yet"), "{text}");
    assert!(text.contains("no status of the probe yet"), "{text}");
}

#[test]
fn the_json_holds_the_same_numbers() {
    let json = as_json(&example());
    assert_eq!(json["probe"]["status"]["lost"]["ring_full"]["exec"], 2);
    assert_eq!(json["probe"]["status"]["workloads"][0]["lost"]["backlog_full"]["open"], 3);
    assert_eq!(json["probe"]["status"]["in_flight"]["exit"], 2);
    assert_eq!(json["reporter"]["connected"], false);
    assert_eq!(json["analyzer"]["metrics"][0]["labels"]["what"], "event");
}
