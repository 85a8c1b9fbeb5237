//! Misbehaviour on demand: what the next requests get instead of an honest answer.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// What one request gets. Everything but [`Fault::SlowMs`], [`Fault::TakeAndClose`] and [`Fault::None`] leaves its entries
/// unrecorded.
///
/// As JSON: `"none"`, `"hang"`, `"close"`, `"take_and_close"`, `"garbage"`, `{"status":{"code":429,"retry_after":"1"}}`,
/// `{"slow_ms":50}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// An honest answer: to let some requests pass in between.
    None,
    /// This status.
    Status {
        /// The status code.
        code: u16,
        /// Value of the `Retry-After` header, as it is sent.
        #[serde(default)]
        retry_after: Option<String>,
    },
    /// No answer until the client gives up.
    Hang,
    /// The connection is closed without an answer.
    Close,
    /// The entries are taken and the connection is closed without an answer: as when the answer is lost on its way.
    TakeAndClose,
    /// Bytes that are not HTTP.
    Garbage,
    /// An honest answer after this many milliseconds.
    SlowMs(u64),
}

impl Fault {
    /// This status without `Retry-After`.
    #[must_use]
    pub fn status(code: u16) -> Self {
        Self::Status { code, retry_after: None }
    }
}

/// What to do with the requests to come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    /// One for each of the next requests.
    pub next: VecDeque<Fault>,
    /// For every request after those, until the next plan. Nothing: honest answers.
    pub then: Option<Fault>,
}

impl Plan {
    /// These faults, one request each, then honest answers.
    #[must_use]
    pub fn once(faults: impl IntoIterator<Item = Fault>) -> Self {
        Self { next: faults.into_iter().collect(), then: None }
    }

    /// This fault for every request.
    #[must_use]
    pub fn always(fault: Fault) -> Self {
        Self { next: VecDeque::new(), then: Some(fault) }
    }

    /// The fault for the next request.
    pub(crate) fn take(&mut self) -> Fault {
        self.next.pop_front().or_else(|| self.then.clone()).unwrap_or(Fault::None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_gives_its_faults_in_order_and_then_goes_on_with_the_last_word() {
        let mut plan: Plan =
            serde_json::from_str(r#"{"next":["hang",{"status":{"code":500}}],"then":"close"}"#).unwrap();
        let taken: Vec<Fault> = (0..4).map(|_| plan.take()).collect();
        assert_eq!(taken, [Fault::Hang, Fault::status(500), Fault::Close, Fault::Close]);
        assert_eq!(Plan::default().take(), Fault::None);
    }

    #[test]
    fn an_unknown_fault_is_refused() {
        assert!(serde_json::from_str::<Plan>(r#"{"next":["explode"]}"#).is_err());
        assert!(serde_json::from_str::<Plan>(r#"{"always":"hang"}"#).is_err());
    }
}
