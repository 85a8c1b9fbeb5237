//! The table of all metrics: what each service counts, under which name, by which labels, and what it means.
//!
//! What is shown to Prometheus, `docs/metrics.md`, the dashboard and the alerts all follow from it. Invariants: a service
//! counts nothing that is not here, and nothing is here that no service counts (`cargo xtask tidy`). Every label has few
//! values: there is none for containers, processes, files or users.

mod analyzer;
mod probe;
mod reporter;

/// What outsiders see before each name.
pub const PREFIX: &str = "shrike_";

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Described {
    /// Its name inside of Shrike, which begins with the service that counts it.
    pub name: &'static str,
    /// Its labels, in the order of the alphabet.
    pub labels: &'static [&'static str],
    /// What it means, in a line.
    pub about: &'static str,
}

/// Whether a value only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// It grows until its service starts again.
    Counter,
    /// It is what something is now.
    Gauge,
}

impl Shape {
    /// The word for it in the text format of Prometheus.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

impl Described {
    /// Told by the end of the name.
    #[must_use]
    pub fn shape(&self) -> Shape {
        if self.name.ends_with("_total") { Shape::Counter } else { Shape::Gauge }
    }

    /// The service that counts it: `probe`, `analyzer` or `reporter`.
    #[must_use]
    pub fn service(&self) -> &'static str {
        self.name.split_once('_').map_or(self.name, |(service, _)| service)
    }
}

/// Every metric, service by service in the order of an event's way.
pub fn all() -> impl Iterator<Item = &'static Described> {
    [probe::METRICS, analyzer::METRICS, reporter::METRICS].into_iter().flatten()
}

const fn metric(name: &'static str, labels: &'static [&'static str], about: &'static str) -> Described {
    Described { name, labels, about }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_metric_has_one_row_a_name_of_its_service_and_labels_in_order() {
        let mut names = BTreeSet::new();
        for row in all() {
            assert!(names.insert(row.name), "{} is there twice", row.name);
            assert!(["probe", "analyzer", "reporter"].contains(&row.service()), "{}", row.name);
            assert!(row.labels.is_sorted(), "{}", row.name);
            assert!(row.about.ends_with('.') && !row.about.contains(['\n', '|', '\\']), "{}", row.name);
        }
    }

    #[test]
    fn no_label_is_one_of_which_there_can_be_any_number() {
        let few = ["cause", "destination", "kind", "label", "program", "what", "why"];
        for row in all() {
            assert!(row.labels.iter().all(|label| few.contains(label)), "{} {:?}", row.name, row.labels);
        }
    }
}
