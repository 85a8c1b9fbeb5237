//! Activity dumps: what a workload does, recorded while it does it.
//!
//! [`Dumps`] is the state, pure; two stages share it, one that marks what a dump covers and one that takes it in. The API asks
//! it between events. What is to be written goes to `dumps::DumpManager`. `docs/activity-dumps.md`.

mod active;
mod admission;
mod dumps;
mod load;
mod parcel;
mod rate;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event::Host;
use tokio::sync::mpsc;

pub use active::{Origin, Status, Wanted};
pub use dumps::{Dumps, Info, Refused, Request, Which};
pub use load::{Limits, Reduction, reduce};
pub use parcel::Parcel;

use crate::stages::dispatch::{Dispatched, Ending, Stage};
use crate::stages::out::Out;

/// The dumps, shared by the stages and the API.
#[derive(Clone)]
pub struct Shared {
    dumps: Arc<Mutex<Dumps>>,
    /// So that an event costs a look while there is no dump.
    is_busy: Arc<AtomicBool>,
}

impl Shared {
    /// To share these.
    #[must_use]
    pub fn new(dumps: Dumps) -> Self {
        let is_busy = Arc::new(AtomicBool::new(dumps.is_busy()));
        Self { dumps: Arc::new(Mutex::new(dumps)), is_busy }
    }

    /// Asks the dumps something, or changes them.
    pub fn with<R>(&self, ask: impl FnOnce(&mut Dumps) -> R) -> R {
        let mut dumps = self.lock();
        let answer = ask(&mut dumps);
        self.is_busy.store(dumps.is_busy(), Ordering::Relaxed);
        answer
    }

    fn lock(&self) -> MutexGuard<'_, Dumps> {
        self.dumps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_busy(&self) -> bool {
        self.is_busy.load(Ordering::Relaxed)
    }
}

/// Marks the events that a running dump covers, before the rules see them.
pub struct DumpMark(pub Shared);

impl Stage for DumpMark {
    fn event(&mut self, dispatched: &mut Dispatched, _: &mut Out) {
        if self.0.is_busy() {
            dispatched.marks.is_in_dump = self.0.lock().covers(&dispatched.event);
        }
    }
}

/// Takes the events that are no anomaly into the dumps.
pub struct DumpInsert {
    shared: Shared,
    parcels: mpsc::Sender<Parcel>,
}

impl DumpInsert {
    /// The stage; what is to be written goes to `parcels`.
    #[must_use]
    pub fn new(shared: Shared, parcels: mpsc::Sender<Parcel>) -> Self {
        Self { shared, parcels }
    }

    fn pass_on(&self, now_ns: u64, out: &mut Out) {
        self.shared.with(|dumps| {
            dumps.tick(now_ns);
            self.hand_over(dumps);
            out.want(dumps.kinds());
        });
    }

    /// Hands over as much as there is room for; the rest waits, and is bounded there.
    fn hand_over(&self, dumps: &mut Dumps) {
        while let Some(parcel) = dumps.next_parcel() {
            match self.parcels.try_send(parcel) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(parcel) | mpsc::error::TrySendError::Closed(parcel)) => {
                    dumps.take_back(parcel);
                    return;
                }
            }
        }
    }
}

impl Stage for DumpInsert {
    fn begin(&mut self, host: &Arc<Host>, _: &mut Out) {
        self.shared.with(|dumps| dumps.begin(host));
    }

    fn event(&mut self, dispatched: &mut Dispatched, _: &mut Out) {
        if self.shared.is_busy() {
            self.shared.with(|dumps| dumps.take(dispatched));
        }
    }

    fn end_of_batch(&mut self, ending: &Ending<'_>, out: &mut Out) {
        self.shared.with(|dumps| {
            dumps.end_of_batch(ending, || ending.processes.living());
            self.hand_over(dumps);
            out.want(dumps.kinds());
        });
    }

    fn tick(&mut self, now_ns: u64, out: &mut Out) {
        self.pass_on(now_ns, out);
    }

    fn quiet(&mut self, now_ns: u64, out: &mut Out) {
        self.pass_on(now_ns, out);
    }
}
