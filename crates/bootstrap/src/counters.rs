//! Counters of a service: made once, incremented anywhere, listed in the status.
//!
//! Names are `<service>_<part>_<noun>[_<unit>]_total`, labels come from a closed set. A gauge is a counter that is
//! set. All of them are atomics, so counting never blocks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A handle to one counter; clones count together.
#[derive(Debug, Clone, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Counts one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Counts `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Sets the value: for gauges.
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// The value now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A counter's name, labels and value at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Metric name.
    pub name: &'static str,
    /// Label pairs.
    pub labels: Vec<(&'static str, String)>,
    /// Value.
    pub value: u64,
}

/// All counters of one service.
#[derive(Debug, Clone, Default)]
pub struct Registry(Arc<Mutex<Vec<Entry>>>);

#[derive(Debug)]
struct Entry {
    name: &'static str,
    labels: Vec<(&'static str, String)>,
    counter: Counter,
}

impl Registry {
    /// The counter with this name and these labels; asking twice gives the same counter.
    #[must_use]
    pub fn counter(&self, name: &'static str, labels: &[(&'static str, &str)]) -> Counter {
        let labels: Vec<_> = labels.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = entries.iter().find(|entry| entry.name == name && entry.labels == labels) {
            return known.counter.clone();
        }
        let counter = Counter::default();
        entries.push(Entry { name, labels, counter: counter.clone() });
        counter
    }

    /// Every counter, in the order they were made.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries
            .iter()
            .map(|entry| Sample {
                name: entry.name,
                labels: entry.labels.clone(),
                value: entry.counter.get(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_twice_for_a_counter_gives_the_same_one() {
        let registry = Registry::default();
        registry.counter("a_b_total", &[("what", "x")]).inc();
        registry.counter("a_b_total", &[("what", "x")]).add(2);
        registry.counter("a_b_total", &[("what", "y")]).inc();
        let values: Vec<u64> = registry.samples().iter().map(|sample| sample.value).collect();
        assert_eq!(values, [3, 1]);
    }
}
