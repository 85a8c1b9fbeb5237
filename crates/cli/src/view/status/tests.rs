use wire::v1::{Host, Loss};

use super::*;

fn counts(exec: u64, fork: u64, exit: u64, open: u64) -> KindCounts {
    KindCounts { exec, fork, exit, open }
}

fn example() -> AnalyzerStatus {
    AnalyzerStatus {
        analyzer: Some(ServiceStatus {
            service: "analyzer".into(),
            version: "0.1.0".into(),
            uptime_seconds: 61,
            metrics: vec![Metric {
                name: "analyzer_dispatch_dropped_total".into(),
                labels: [("what".to_owned(), "event".to_owned())].into(),
                value: 2,
            }],
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
                },
                Hook {
                    kind: "open".into(),
                    program: "on_open".into(),
                    attach: "tp_btf/sys_exit".into(),
                    active: false,
                    error: "not permitted: opens are not seen".into(),
                },
            ],
            generated: Some(counts(1000, 20, 20, 123_456)),
            delivered: Some(counts(999, 20, 18, 123_456)),
            lost: vec![Loss { cause: "ring_full".into(), counts: Some(counts(1, 0, 0, 0)) }],
            scope: "containers".into(),
            ..ProbeStatus::default()
        }),
        reporter_error: "cannot connect".into(),
        ..AnalyzerStatus::default()
    }
}

#[test]
fn the_page_shows_services_hooks_counters_and_what_is_still_in_flight() {
    let text = page(&example(), Paint::new(false));
    let expected = "\
Shrike on box, kernel 6.18.0, scope containers

  probe     up  
  analyzer  up    version 0.1.0, up for 1m 1s
  reporter  down  cannot connect

Hooks
  exec  on_exec  tp_btf/sched_process_exec  active
  open  on_open  tp_btf/sys_exit            absent  not permitted: opens are not seen

Events
                     exec    fork    exit     open    total
  generated         1 000      20      20  123 456  124 496
  delivered           999      20      18  123 456  124 493
  suppressed            0       0       0        0        0
  lost: ring_full       1       0       0        0        1
  in flight             0       0       2        0        2

Analyzer counters
  analyzer_dispatch_dropped_total{what=event}  2
";
    assert_eq!(text, expected);
}

#[test]
fn loss_and_absent_hooks_are_red_and_colours_change_nothing_else() {
    let plain = page(&example(), Paint::new(false));
    let colour = page(&example(), Paint::new(true));
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
    let text = page(&status, Paint::new(false));
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
    assert!(text.contains("\\x1b[2Jgone"));
}

#[test]
fn without_a_probe_the_page_says_so() {
    let status = AnalyzerStatus { probe: None, probe_connected: false, ..example() };
    let text = page(&status, Paint::new(false));
    assert!(text.contains("probe     down  not connected yet"), "{text}");
    assert!(text.contains("no status of the probe yet"), "{text}");
}

#[test]
fn the_json_holds_the_same_numbers() {
    let json = as_json(&example());
    assert_eq!(json["probe"]["status"]["lost"]["ring_full"]["exec"], 1);
    assert_eq!(json["probe"]["status"]["in_flight"]["exit"], 2);
    assert_eq!(json["reporter"]["connected"], false);
    assert_eq!(json["analyzer"]["metrics"][0]["labels"]["what"], "event");
}
