//! What rules cost: reading and checking one, and asking many of an event that none of them matches.
//!
//! Everything is measured in one run, in rounds whose order is that of the list, so that a slow minute hits all alike.
//! Invariant: before anything is measured, no rule matches any of the events, in any of the evaluations.

mod events;
mod policy;

use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Context;
use rule_model::{Facts, Fields, Os, Seen};
use secl::{Binding, Bucket, Macros, Rule, Scratch, check_rule};

use crate::report::Report;
use crate::spread::Spread;
use events::Opened;
use policy::RuleText;

const ROUNDS: usize = 7;
const AT_LEAST: Duration = Duration::from_millis(150);

/// The sizes of rule sets that are compared.
const FEW: usize = 10;
const USUAL: usize = 200;
const MANY: usize = 1000;

/// Measures all of it.
///
/// # Errors
/// When a rule of the bench is not a rule, or matches.
pub fn run(report: &mut Report) -> anyhow::Result<()> {
    report.title("rules, one core, events that no rule matches");
    let fields = Fields::new(Os::Linux);
    let events = events::unmatched();
    let seen: Vec<Seen<'_>> = events.iter().map(Opened::seen).collect();
    let rules = checked(&fields, &policy::rules(MANY))?;
    let buckets: Vec<(usize, Bucket)> =
        [FEW, USUAL, MANY].map(|count| (count, Bucket::new(rules.iter().take(count)))).into();
    let known: HashMap<Vec<u8>, u32> =
        (0..10_000).map(|n| (format!("/usr/lib/known/{n}").into_bytes(), n)).collect();
    let cel = cel::Set::new(&policy::rules(USUAL), &events)?;
    let mut scratch = Scratch::default();
    none_matches(&fields, &seen, &rules, &buckets, &cel)?;

    let mut rounds: HashMap<&str, Vec<f64>> = HashMap::new();
    for _ in 0..ROUNDS {
        let mut add = |name: &'static str, ns: f64| rounds.entry(name).or_default().push(ns);
        add(
            "probe",
            per_event(&seen, |seen| {
                black_box(known.get(path(seen)));
            }),
        );
        for ((_, bucket), name) in buckets.iter().zip(["few", "usual", "many"]) {
            add(
                name,
                per_event(&seen, |seen| {
                    let facts = Facts::new(&fields, *seen);
                    bucket.evaluate(&facts, &mut scratch, |rule| {
                        black_box(rule);
                    });
                }),
            );
        }
        add(
            "walk",
            per_event(&seen, |seen| {
                let facts = Facts::new(&fields, *seen);
                for rule in rules.iter().take(USUAL) {
                    black_box(rule.matches(&facts));
                }
            }),
        );
        add(
            "cel",
            per_event(&(0..seen.len()).collect::<Vec<_>>(), |event| {
                black_box(cel.matches(*event));
            }),
        );
        add(
            "check",
            per_event(&policy::rules(USUAL), |rule| {
                black_box(check_rule(&rule.secl, &fields, &Macros::default(), Binding::OneEventType).is_ok());
            }),
        );
    }
    lines(report, &buckets, &|name| rounds.get(name).cloned().and_then(Spread::of).context("no rounds"))
}

fn lines(
    report: &mut Report,
    buckets: &[(usize, Bucket)],
    of: &dyn Fn(&str) -> anyhow::Result<Spread>,
) -> anyhow::Result<()> {
    let (probe, few, usual, many) = (of("probe")?, of("few")?, of("usual")?, of("many")?);
    report.line("read and check one rule", format!("{:.1} µs", of("check")?.median / 1e3), String::new());
    report.line("one hash probe of a path, the floor", format!("{probe:.1} ns/event"), String::new());
    for ((count, bucket), spread) in buckets.iter().zip([few, usual, many]) {
        let shape = bucket.shape();
        report.line(
            &format!("{count} rules"),
            format!("{spread:.0} ns/event"),
            format!("{} look-ups, {} rules always asked", shape.look_ups, shape.always),
        );
    }
    let probes = usual.median / probe.median;
    report.target(
        &format!("{USUAL} rules, in hash probes"),
        format!("{probes:.1}"),
        String::new(),
        "≤ 5 probes",
        probes <= 5.0,
    );
    let growth = many.median / few.median;
    report.target(
        &format!("{MANY} rules, beside {FEW}"),
        format!("{growth:.2}×"),
        String::new(),
        "≤ 1.3×",
        growth <= 1.3,
    );
    for (name, variant) in [("rule by rule, walking the trees", "walk"), ("cel-interpreter, compiled", "cel")]
    {
        let spread = of(variant)?;
        report.line(
            &format!("{USUAL} rules {name}"),
            format!("{spread:.0} ns/event"),
            format!("{:.0}× the time of ours", spread.median / usual.median),
        );
    }
    Ok(())
}

fn checked(fields: &Fields, rules: &[RuleText]) -> anyhow::Result<Vec<Rule>> {
    let check = |rule: &RuleText| {
        check_rule(&rule.secl, fields, &Macros::default(), Binding::OneEventType)
            .map_err(|errors| anyhow::anyhow!("{}: {errors:?}", rule.secl))
    };
    rules.iter().map(check).collect()
}

/// A set that matched something would be measured at something else than its name says.
fn none_matches(
    fields: &Fields,
    seen: &[Seen<'_>],
    rules: &[Rule],
    buckets: &[(usize, Bucket)],
    cel: &cel::Set,
) -> anyhow::Result<()> {
    let mut scratch = Scratch::default();
    for (at, seen) in seen.iter().enumerate() {
        let facts = Facts::new(fields, *seen);
        let mut matched = rules.iter().filter(|rule| rule.matches(&facts)).count();
        for (_, bucket) in buckets {
            bucket.evaluate(&facts, &mut scratch, |_| matched += 1);
        }
        matched += cel.matches(at);
        anyhow::ensure!(matched == 0, "{matched} rules match the event {at}");
    }
    Ok(())
}

fn path<'e>(seen: &Seen<'e>) -> &'e [u8] {
    if let event::What::Open(open) = &seen.event.what { open.file.path.as_bytes() } else { b"" }
}

/// Nanoseconds that `one` takes for each of these.
#[expect(clippy::cast_precision_loss, reason = "a rate for people; counts stay far below 2^52")]
fn per_event<T>(over: &[T], mut one: impl FnMut(&T)) -> f64 {
    let (start, mut count) = (Instant::now(), 0_u64);
    while start.elapsed() < AT_LEAST {
        for _ in 0..50 {
            over.iter().for_each(&mut one);
        }
        count += 50 * over.len() as u64;
    }
    start.elapsed().as_nanos() as f64 / count as f64
}

/// The same predicates in CEL, with everything prepared that can be.
mod cel {
    use cel_interpreter::{Context, Program, Value};

    use super::events::Opened;
    use super::policy::RuleText;

    pub(super) struct Set {
        programs: Vec<Program>,
        /// One for each event: filling it is not measured.
        contexts: Vec<Context<'static>>,
    }

    impl Set {
        pub(super) fn new(rules: &[RuleText], events: &[Opened]) -> anyhow::Result<Self> {
            let compile = |rule: &RuleText| {
                Program::compile(&rule.cel).map_err(|error| anyhow::anyhow!("{}: {error}", rule.cel))
            };
            let programs = rules.iter().map(compile).collect::<anyhow::Result<_>>()?;
            Ok(Self { programs, contexts: events.iter().map(context).collect() })
        }

        /// How many match. A rule that fails is counted, so that it is noticed.
        pub(super) fn matches(&self, event: usize) -> usize {
            let Some(context) = self.contexts.get(event) else { return 0 };
            let is_match = |program: &&Program| program.execute(context) != Ok(Value::Bool(false));
            self.programs.iter().filter(is_match).count()
        }
    }

    fn context(event: &Opened) -> Context<'static> {
        let mut context = Context::default();
        for (name, value) in event.variables() {
            context.add_variable_from_value(name, value);
        }
        context
    }
}
