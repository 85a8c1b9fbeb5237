//! Whatever is lost before the outputs or at them is said in the log, and not again at once.

use std::sync::{Mutex, OnceLock};

use event::WorkloadLoss;

use super::*;

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The log of this process. The service has threads of its own, so it is that of all tests.
fn log() -> String {
    static LOG: OnceLock<Log> = OnceLock::new();
    let log = LOG.get_or_init(|| {
        let log = Log::default();
        let writer = log.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
        log
    });
    log.text()
}

/// Who tells the analyzer of a loss.
enum Teller {
    Probe,
    Reporter,
    /// It notices it itself.
    Nobody,
}

/// Who tells of it, and the next cause in the order of their list. A cause that is new does not compile until it has its
/// place here.
fn told(cause: LossCause) -> (Teller, Option<LossCause>) {
    use LossCause as L;
    match cause {
        L::RingFull => (Teller::Probe, Some(L::KernelBusy)),
        L::KernelBusy => (Teller::Probe, Some(L::Undecodable)),
        L::Undecodable => (Teller::Nobody, Some(L::BacklogFull)),
        L::BacklogFull => (Teller::Probe, Some(L::RingShare)),
        L::RingShare => (Teller::Probe, Some(L::Refused)),
        L::Refused => (Teller::Reporter, Some(L::TooLarge)),
        L::TooLarge => (Teller::Reporter, Some(L::NotUtf8)),
        L::NotUtf8 => (Teller::Reporter, Some(L::OutputDown)),
        L::OutputDown => (Teller::Reporter, Some(L::WriteFailed)),
        L::WriteFailed => (Teller::Reporter, Some(L::Unknown)),
        L::Unknown => (Teller::Reporter, None),
    }
}

/// Loses `events` for this cause, twice; gives what the line about the first of them has.
async fn lose(dir: &Path, cause: LossCause, events: u64) -> Vec<String> {
    let teller = told(cause).0;
    let reporter = match teller {
        Teller::Reporter => FakeReporter::start_holding(dir),
        Teller::Probe | Teller::Nobody => FakeReporter::start(dir),
    };
    let probe = FakeProbe::start(dir, host(), vec![known()]);
    let service = Service::start(dir, "");
    let name = cause.name();
    let line = match teller {
        Teller::Probe => {
            for number in 0..2 {
                let workload = format!("{name}-{events}").into();
                let counts = PerKind::from([(Kind::Open, events)]);
                let lost = vec![WorkloadLoss { cgroup: 7, workload, cause, counts }];
                probe.send_with(opens(number..number + 1, false), &News { lost, ..News::default() });
            }
            vec![format!("events={events} "), format!("cause=\"{name}\""), "had to drop".to_owned()]
        }
        Teller::Reporter => {
            for number in 1..=2 {
                probe.send(opens(0..events, false));
                reporter.wait_for(usize::try_from(events * number).unwrap()).await;
                let counts = vec![v1::LabelCount { label: "open".into(), payloads: events }];
                reporter.settle(number, vec![v1::GroupLoss { number, cause: name.into(), counts }]).await;
            }
            vec![format!("events={events} "), format!("[\"{name}\"]"), "no output has".to_owned()]
        }
        Teller::Nobody => {
            for _ in 0..2 {
                let mut damaged = wire::batch::encode(0, &[], &opens(0..events, false));
                damaged.events.as_mut().unwrap().kinds[0].columns[0].values.pop();
                probe.send_raw(damaged);
            }
            vec!["cannot be decoded".to_owned(), format!("values for {events} rows")]
        }
    };
    probe.wait_for_ack(2).await;
    service.stop().await;
    line
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_lost_for_whatever_cause_is_said_in_the_log_and_not_again_at_once() {
    log();
    // A number that nobody else in this process loses.
    let mut events = 211;
    let mut next = Some(LossCause::ALL[0]);
    let mut n_causes = 0;
    while let Some(cause) = next {
        let dir = TempDir::new().unwrap();
        let words = lose(dir.path(), cause, events).await;
        let log = log();
        let lines = log.lines().filter(|line| words.iter().all(|word| line.contains(word))).count();
        assert_eq!(lines, 1, "{cause:?}: {words:?} in\n{log}");
        (events, next, n_causes) = (events + 1, told(cause).1, n_causes + 1);
    }
    assert_eq!(n_causes, LossCause::ALL.len());
}
