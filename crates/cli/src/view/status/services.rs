//! The services, the hooks, the backlog and what nobody observed.

use std::time::Duration;

use wire::v1::{AnalyzerStatus, Backlog, Gap, Hook, ProbeStatus};

use super::super::paint::{Paint, Tone};
use super::super::text::{column, grouped, printable, width};

pub(super) fn title(status: &AnalyzerStatus) -> String {
    let host = status.host.as_ref();
    let name = host.map_or("this host", |host| host.hostname.as_str());
    let kernel = host.map_or_else(String::new, |host| format!(", kernel {}", printable(&host.kernel)));
    let scope = status.probe.as_ref().map_or("", |probe| probe.scope.as_str());
    let scope = if scope.is_empty() { String::new() } else { format!(", scope {}", printable(scope)) };
    format!("Shrike on {}{kernel}{scope}", printable(name))
}

/// One line for each service.
pub(super) fn services(status: &AnalyzerStatus, paint: Paint) -> Vec<String> {
    let probe = status.probe.as_ref();
    let about = |service: Option<&wire::v1::ServiceStatus>, restarts| {
        service.map(|service| About {
            version: service.version.clone(),
            uptime_seconds: service.uptime_seconds,
            restarts,
        })
    };
    let of_probe = probe.map(|probe| About {
        version: String::new(),
        uptime_seconds: probe.uptime_seconds,
        restarts: probe.restarts,
    });
    let of_analyzer = about(status.analyzer.as_ref(), probe.map_or(0, |probe| probe.analyzer_restarts));
    let of_reporter = about(status.reporter.as_ref(), status.reporter_restarts);
    vec![
        service("probe", status.probe_connected, of_probe, &status.probe_error, paint),
        service("analyzer", true, of_analyzer, "", paint),
        service("reporter", status.reporter_connected, of_reporter, &status.reporter_error, paint),
    ]
}

/// What a service says of itself.
struct About {
    version: String,
    uptime_seconds: u64,
    restarts: u64,
}

fn service(name: &str, up: bool, about: Option<About>, error: &str, paint: Paint) -> String {
    let state = if up { paint.apply(Tone::Good, "up  ") } else { paint.apply(Tone::Bad, "down") };
    let mut parts = Vec::new();
    if let Some(about) = about.filter(|_| up) {
        if !about.version.is_empty() {
            parts.push(format!("version {}", printable(&about.version)));
        }
        let uptime = humantime::format_duration(Duration::from_secs(about.uptime_seconds));
        parts.push(format!("up for {uptime}"));
        if about.restarts > 0 {
            let times = if about.restarts == 1 {
                "once".to_owned()
            } else {
                format!("{} times", grouped(about.restarts.into()))
            };
            parts.push(paint.apply(Tone::Warn, &format!("restarted {times}")));
        }
    }
    // A service can be up and have something to say: a reporter that makes no progress.
    if !error.is_empty() {
        parts.push(paint.apply(Tone::Bad, &printable(error)));
    } else if !up {
        parts.push(paint.apply(Tone::Bad, "not connected yet"));
    }
    format!("  {}  {state}  {}", column(name, 8), parts.join(", "))
}

/// One line for each hook.
pub(super) fn hooks(probe: &ProbeStatus, paint: Paint) -> Vec<String> {
    let widest = |get: fn(&Hook) -> &str| probe.hooks.iter().map(|hook| width(get(hook))).max().unwrap_or(0);
    let (kind, program, attach) = (widest(|h| &h.kind), widest(|h| &h.program), widest(|h| &h.attach));
    if probe.hooks.is_empty() {
        let text = "  no hook is attached: `shrike doctor` says what this kernel allows";
        return vec![paint.apply(Tone::Bad, text)];
    }
    let line = |hook: &Hook| {
        let state = match (hook.active, hook.unwanted_since_ns) {
            (true, _) => paint.apply(Tone::Good, "active"),
            (false, 0) => paint.apply(Tone::Bad, "absent"),
            (false, _) => paint.apply(Tone::Plain, "off"),
        };
        let mut line = format!(
            "  {}  {}  {}  {state}",
            column(&printable(&hook.kind), kind),
            column(&printable(&hook.program), program),
            column(&printable(&hook.attach), attach),
        );
        if hook.unwanted_since_ns != 0 {
            let since = time(hook.unwanted_since_ns);
            line.push_str(&format!("     not observed since {since}: nobody takes such events"));
        }
        if !hook.error.is_empty() {
            let tone = if hook.active { Tone::Warn } else { Tone::Bad };
            line.push_str(&format!("  {}", paint.apply(tone, &printable(&hook.error))));
        }
        line
    };
    let refused = |why: &String| {
        let text = format!("  {:kind$}  refused: {}", "", printable(why));
        paint.apply(Tone::Dim, &text)
    };
    probe
        .hooks
        .iter()
        .flat_map(|hook| std::iter::once(line(hook)).chain(hook.refused.iter().map(refused)))
        .collect()
}

/// What waits in the probe.
pub(super) fn backlog(backlog: &Backlog, paint: Paint) -> String {
    let percent = backlog.bytes.saturating_mul(100).checked_div(backlog.max_bytes).unwrap_or(0);
    let mut text = format!(
        "  backlog   {} of {} ({percent} %), {} events",
        indicatif::HumanBytes(backlog.bytes),
        indicatif::HumanBytes(backlog.max_bytes),
        grouped(backlog.events.into()),
    );
    if backlog.events > 0 {
        let age = humantime::format_duration(Duration::from_millis(backlog.oldest_ms));
        text.push_str(&format!(", the oldest is {age} old"));
    }
    if backlog.holds_seconds > 0 {
        let holds = humantime::format_duration(Duration::from_secs(backlog.holds_seconds));
        text.push_str(&format!("; has room for {holds} at this rate"));
    }
    let tone = match percent {
        0..50 => Tone::Plain,
        50..80 => Tone::Warn,
        _ => Tone::Bad,
    };
    paint.apply(tone, &text)
}

/// The times that nobody observed, a line each.
pub(super) fn gaps(gaps: &[Gap], paint: Paint) -> Vec<String> {
    let line = |gap: &Gap| {
        let text = format!(
            "  not observed from {} to {}: {}",
            time(gap.from_ns),
            time(gap.to_ns),
            printable(&gap.reason)
        );
        paint.apply(Tone::Bad, &text)
    };
    gaps.iter().map(line).collect()
}

fn time(ns: i64) -> String {
    jiff::Timestamp::from_nanosecond(ns.into()).map_or_else(|_| ns.to_string(), |time| format!("{time:.3}"))
}
