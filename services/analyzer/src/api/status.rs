//! What the analyzer knows of its neighbours, for the status; failures are logged when they change.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bootstrap::counters::Registry;
use tokio::time::Instant;
use wire::v1;

use crate::link::connection::LinkError;
use crate::output::outbox::SubmitError;

/// A reporter that is slower than the events says "full" many times a second; one line in this time is enough.
const SAME_WARNING: Duration = Duration::from_secs(30);
/// The probe reports every second while something happens, behind its batches. When that did not come, it is asked.
const REPORT_DUE: Duration = Duration::from_secs(2);
/// A report that is older is shown with its age, because what it says of events, losses and the backlog no longer holds. A
/// probe in which nothing happens makes one every five seconds.
const OLD_REPORT: Duration = Duration::from_secs(8);
/// A probe that ended in order and is not back after this is missed. When everything is stopped, the probe is first.
const MISSED_AFTER: Duration = Duration::from_secs(3);

/// The neighbours, shared between who hears from them and who answers for them.
#[derive(Debug, Clone, Default)]
pub struct StatusBoard(Arc<Mutex<Board>>);

#[derive(Debug, Default)]
struct Board {
    host: Option<v1::Host>,
    is_probe_connected: bool,
    probe_error: String,
    /// The last failure that a warning told.
    probe_warned: String,
    /// When it ended its stream in order.
    probe_ended: Option<Instant>,
    probe: Option<v1::ProbeStatus>,
    probe_reported: Option<Instant>,
    /// When it connected or reported: it is silent since then.
    probe_heard: Option<Instant>,
    /// What the newest report says of the time since the probe started; `None` = there is none of this stream.
    probe_uptime: Option<u64>,
    is_reporter_connected: bool,
    reporter_error: String,
    reporter_warned: Option<Instant>,
    reporter: Option<v1::ServiceStatus>,
}

/// What the log says of a failure.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Ended,
    Failed(String),
}

impl StatusBoard {
    /// A stream of the probe began.
    pub fn probe_connected(&self, host: Option<v1::Host>) {
        self.with(|board| {
            board.host = host;
            board.is_probe_connected = true;
            board.probe_error.clear();
            board.probe_warned.clear();
            board.probe_ended = None;
            board.probe_heard = Some(Instant::now());
            board.probe_uptime = None;
        });
    }

    /// There is no stream, because of this.
    pub fn probe_failed(&self, error: &LinkError) {
        match self.note_failure(error) {
            Told::Nothing => {}
            Told::Ended => tracing::info!("the probe ended the stream, connecting again"),
            Told::Failed(text) => tracing::warn!(error = %text, "no events from the probe, trying again"),
        }
    }

    /// What is to be said of a failure. A probe that ended in order, as at every stop and update, is missed only after a
    /// while.
    fn note_failure(&self, error: &LinkError) -> Told {
        let text = chain(error);
        self.with(|board| {
            board.is_probe_connected = false;
            board.probe_error.clone_from(&text);
            let has_ended = matches!(error, LinkError::Closed);
            if has_ended && board.probe_ended.is_none() {
                board.probe_ended = Some(Instant::now());
                return Told::Ended;
            }
            let is_expected = has_ended || matches!(error, LinkError::Connect(_));
            let is_soon = board.probe_ended.is_some_and(|ended| ended.elapsed() < MISSED_AFTER);
            if board.probe_warned == text || (is_expected && is_soon) {
                return Told::Nothing;
            }
            board.probe_warned.clone_from(&text);
            Told::Failed(text)
        })
    }

    /// The probe said this of itself. What comes later than it was said changes nothing, and what it says again is as old
    /// as before: a probe that answers may still make no new report.
    pub fn probe_reported(&self, status: v1::ProbeStatus) {
        self.with(|board| {
            let uptime = Some(status.uptime_seconds);
            if uptime < board.probe_uptime {
                return;
            }
            if board.probe_uptime != uptime {
                board.probe_reported = Some(Instant::now());
                board.probe_heard = board.probe_reported;
            }
            board.probe_uptime = uptime;
            board.probe = Some(status);
        });
    }

    /// Whether the probe is connected and should have reported by now.
    #[must_use]
    pub fn misses_a_report(&self) -> bool {
        self.with(|board| {
            let is_due = board.probe_heard.is_none_or(|heard| heard.elapsed() >= REPORT_DUE);
            board.is_probe_connected && (is_due || board.probe_uptime.is_none())
        })
    }

    /// How long ago the probe said something new of itself, or connected.
    #[must_use]
    pub fn report_age(&self) -> Option<Duration> {
        self.with(|board| board.probe_heard.map(|heard| heard.elapsed()))
    }

    /// There is a stream to the reporter.
    pub fn reporter_connected(&self) {
        self.with(|board| board.is_reporter_connected = true);
    }

    /// The reporter settled payloads.
    pub fn reporter_settled(&self) {
        self.with(|board| {
            board.is_reporter_connected = true;
            board.reporter_error.clear();
        });
    }

    /// The reporter could not be reached, or it answered with an error.
    pub fn reporter_failed(&self, error: &SubmitError) {
        let text = chain(error);
        let warn = self.with(|board| {
            board.is_reporter_connected = !matches!(error, SubmitError::Unreachable(_) | SubmitError::Ended);
            board.reporter_error.clone_from(&text);
            let warn = board.reporter_warned.is_none_or(|warned| warned.elapsed() >= SAME_WARNING);
            if warn {
                board.reporter_warned = Some(Instant::now());
            }
            warn
        });
        if warn {
            tracing::warn!(error = %text, "the reporter does not take payloads now, keeping them");
        }
    }

    /// The reporter said this of itself.
    pub fn reporter_reported(&self, status: v1::ServiceStatus) {
        self.with(|board| {
            // It was not reachable and is now; that it settles nothing is another matter.
            if !board.is_reporter_connected {
                board.is_reporter_connected = true;
                board.reporter_error.clear();
            }
            board.reporter = Some(status);
        });
    }

    /// What somebody must know who asks for events of these kinds: those that the probe does not observe. Nothing is
    /// known before its first report, of which there is one in each stream: it may be another probe.
    #[must_use]
    pub fn missing(&self, kinds: &[String]) -> Option<String> {
        let missing = self.with(|board| {
            board.probe_uptime?;
            let hooks = &board.probe.as_ref().filter(|probe| !probe.hooks.is_empty())?.hooks;
            let why = |kind: &String| match hooks.iter().find(|hook| hook.kind == *kind) {
                None => Some(format!("{kind} (the probe's configuration leaves it out of `kinds`)")),
                Some(hook) if hook.active || hook.unwanted_since_ns != 0 => None,
                Some(_) => Some(format!("{kind} (its hook is absent, see `shrike status`)")),
            };
            Some(kinds.iter().filter_map(why).collect::<Vec<_>>())
        })?;
        (!missing.is_empty()).then(|| format!("not observed: {}", missing.join(", ")))
    }

    /// The answer to a question for the status.
    #[must_use]
    pub fn answer(&self, registry: &Registry, started: std::time::Instant) -> v1::AnalyzerStatus {
        let analyzer = v1::ServiceStatus {
            service: "analyzer".to_owned(),
            version: bootstrap::VERSION.to_owned(),
            uptime_seconds: started.elapsed().as_secs(),
            metrics: registry
                .samples()
                .into_iter()
                .map(|sample| wire::status::metric(sample.name, sample.labels, sample.value))
                .collect(),
        };
        self.with(|board| v1::AnalyzerStatus {
            analyzer: Some(analyzer),
            host: board.host.clone(),
            probe_connected: board.is_probe_connected,
            probe_error: board.probe_error(),
            probe: board.probe.clone(),
            reporter_connected: board.is_reporter_connected,
            reporter_error: board.reporter_error.clone(),
            reporter: board.reporter.clone(),
            reporter_restarts: 0,
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Board) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Board {
    /// What is wrong with the probe, or with what is known of it.
    fn probe_error(&self) -> String {
        // One that has just connected had no time to say anything.
        let is_silent = self.probe_heard.is_some_and(|heard| heard.elapsed() >= OLD_REPORT);
        let age = self.probe_reported.map(|reported| reported.elapsed()).filter(|_| is_silent);
        match age {
            Some(age) if self.is_probe_connected && self.probe_error.is_empty() => {
                format!("what it says here is {} s old: it stands, or cannot be asked", age.as_secs())
            }
            _ => self.probe_error.clone(),
        }
    }
}

/// An error with its causes, without saying twice what one of them repeats.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    for cause in std::iter::successors(error.source(), |cause| cause.source()) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_report_of_the_probe_that_is_old_is_shown_with_its_age_until_there_is_a_new_one() {
        let board = StatusBoard::default();
        let error = || board.answer(&Registry::default(), std::time::Instant::now()).probe_error;
        board.probe_connected(None);
        board.probe_reported(v1::ProbeStatus::default());
        tokio::time::advance(OLD_REPORT - Duration::from_millis(1)).await;
        assert_eq!(error(), "");
        tokio::time::advance(Duration::from_secs(50)).await;
        assert!(error().contains("is 57 s old"), "{}", error());
        board.probe_reported(v1::ProbeStatus::default());
        assert!(error().contains("is 57 s old"), "the same again is no news: {}", error());
        board.probe_reported(v1::ProbeStatus { uptime_seconds: 1, ..v1::ProbeStatus::default() });
        assert_eq!(error(), "");
    }

    #[tokio::test(start_paused = true)]
    async fn what_an_earlier_probe_said_is_not_held_against_one_that_has_just_connected() {
        let board = StatusBoard::default();
        let error = || board.answer(&Registry::default(), std::time::Instant::now()).probe_error;
        let kinds = ["open".to_owned()];
        let hook = v1::Hook { kind: "exec".to_owned(), active: true, ..v1::Hook::default() };
        board.probe_connected(None);
        board.probe_reported(v1::ProbeStatus { hooks: vec![hook], ..v1::ProbeStatus::default() });
        assert!(board.missing(&kinds).is_some());
        tokio::time::advance(Duration::from_secs(60)).await;
        board.probe_connected(None);
        assert_eq!(error(), "", "it had no time yet");
        assert_eq!(board.missing(&kinds), None, "nobody knows what this one observes");
        assert!(board.misses_a_report());
        tokio::time::advance(OLD_REPORT).await;
        assert!(error().contains("is 68 s old"), "{}", error());
    }

    fn unreachable() -> LinkError {
        let source = std::io::Error::from(std::io::ErrorKind::NotFound);
        LinkError::Connect(bootstrap::socket::SocketError::Connect { path: "/probe.sock".into(), source })
    }

    #[tokio::test(start_paused = true)]
    async fn a_clean_stop_of_the_probe_logs_no_warning_unless_it_stays_away() {
        let board = StatusBoard::default();
        assert!(matches!(board.note_failure(&unreachable()), Told::Failed(_)), "never there");
        assert_eq!(board.note_failure(&unreachable()), Told::Nothing, "nothing new");
        board.probe_connected(None);
        assert_eq!(board.note_failure(&LinkError::Closed), Told::Ended);
        assert_eq!(board.note_failure(&unreachable()), Told::Nothing);
        tokio::time::advance(MISSED_AFTER).await;
        assert!(matches!(board.note_failure(&unreachable()), Told::Failed(_)), "it stays away");
        assert_eq!(board.note_failure(&unreachable()), Told::Nothing);
        board.probe_connected(None);
        assert_eq!(board.note_failure(&LinkError::Closed), Told::Ended);
        assert!(
            matches!(board.note_failure(&LinkError::NoHello), Told::Failed(_)),
            "not what a stop looks like"
        );
    }

    #[test]
    fn who_asks_for_what_the_probe_does_not_observe_is_told_why() {
        let board = StatusBoard::default();
        board.probe_connected(None);
        let kinds = ["open", "bind", "connect", "rename"].map(str::to_owned);
        assert_eq!(board.missing(&kinds), None, "nobody knows yet");
        let hook = |kind: &str, active, unwanted_since_ns| v1::Hook {
            kind: kind.to_owned(),
            active,
            unwanted_since_ns,
            ..v1::Hook::default()
        };
        let hooks = vec![hook("open", true, 0), hook("connect", false, 7), hook("rename", false, 0)];
        board.probe_reported(v1::ProbeStatus { hooks, ..v1::ProbeStatus::default() });
        let told = board.missing(&kinds).unwrap();
        assert_eq!(
            told,
            "not observed: bind (the probe's configuration leaves it out of `kinds`), \
             rename (its hook is absent, see `shrike status`)"
        );
        assert_eq!(board.missing(&["open".to_owned()]), None);
        assert_eq!(board.missing(&[]), None, "who takes everything takes what there is");
    }

    #[tokio::test(start_paused = true)]
    async fn a_report_that_stood_behind_batches_replaces_no_newer_one_unless_another_probe_says_it() {
        let board = StatusBoard::default();
        let uptime = || {
            let status = board.answer(&Registry::default(), std::time::Instant::now());
            status.probe.map(|probe| probe.uptime_seconds)
        };
        let report = |uptime_seconds| {
            board.probe_reported(v1::ProbeStatus { uptime_seconds, ..v1::ProbeStatus::default() });
        };
        board.probe_connected(None);
        assert!(board.misses_a_report());
        report(7);
        assert!(!board.misses_a_report());
        report(6);
        assert_eq!(uptime(), Some(7));
        tokio::time::advance(REPORT_DUE).await;
        assert!(board.misses_a_report());
        board.probe_connected(None);
        report(1);
        assert_eq!(uptime(), Some(1));
    }
}
