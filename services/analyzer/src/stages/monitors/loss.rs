//! Says which workload lost events, and what nobody observed.
//!
//! Pure: what a batch tells is all that it knows.

use crate::stages::dispatch::{Ending, Stage};
use crate::stages::out::{About, Out};
use crate::stages::rules::Rule;

/// The stage.
#[derive(Debug, Default)]
pub struct LossMonitor;

impl Stage for LossMonitor {
    fn end_of_batch(&mut self, batch: &Ending<'_>, out: &mut Out) {
        for gap in &batch.news.not_observed {
            out.say(Rule::NotObserved, 0, gap.to_ns, About::NotObserved(gap.clone()));
        }
        for unwanted in &batch.news.unwanted {
            let now_ns = unwanted.to_ns.unwrap_or(unwanted.from_ns);
            out.say(Rule::Unwanted, 0, now_ns, About::Unwanted(unwanted.clone()));
        }
        for loss in &batch.news.lost {
            out.say(Rule::LostEvents, loss.cgroup, batch.last_ns, About::Lost(loss.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use event::{Kind, LossCause, NotObserved, PerKind, Unwanted, WorkloadLoss};
    use wire::batch::News;

    use super::*;

    #[test]
    fn what_was_lost_is_told_of_each_workload_and_a_gap_always() {
        let loss = |cgroup| WorkloadLoss {
            cgroup,
            workload: "web".into(),
            cause: LossCause::RingFull,
            counts: PerKind::from([(Kind::Open, 3)]),
        };
        let gap = NotObserved { from_ns: 1, to_ns: 2, reason: "killed".into() };
        let off = Unwanted { kinds: [Kind::Open].into(), from_ns: 3, to_ns: None };
        let news = News {
            lost: vec![loss(7), loss(8)],
            not_observed: vec![gap.clone(), gap],
            unwanted: vec![off.clone(), Unwanted { to_ns: Some(6), ..off }],
            ..News::default()
        };
        let mut out = Out::default();
        let processes = process_tree::Tree::new(process_tree::Limits::default());
        LossMonitor.end_of_batch(&Ending { news: &news, last_ns: 9, processes: &processes }, &mut out);
        let rules: Vec<_> = out.custom.iter().map(|custom| (custom.rule, custom.boot_ns)).collect();
        let (gap, lost) = ((Rule::NotObserved, 2), (Rule::LostEvents, 9));
        let unwanted = |boot_ns| (Rule::Unwanted, boot_ns);
        assert_eq!(rules, [gap, gap, unwanted(3), unwanted(6), lost, lost]);
    }
}
