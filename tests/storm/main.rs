//! The function in foul weather: several processes of the real `bootstrap` at once, between a Lambda Runtime API and
//! ECR, SSM and SQS on loopback, which fail at random as a seed says. Meanwhile processes end in the middle, events come
//! twice and in any order, and strangers change policies.
//!
//! At the end every policy is compared with a model that knows nothing of the function's code. What is not right must
//! be in the failure queue; once the weather is fine again and the failure queue moved to the work queue, everything is.
//!
//! `STORM_SIZE` is the number of repositories, `STORM_SEED` another chance, `STORM_BINARY` another `bootstrap`.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the helpers of these tests fail a test by panicking"
)]

mod deliveries;
mod dice;
mod events;
mod figures;
mod model;
mod process;
mod services;
mod soak;
mod stand;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::events::scheduled;
use crate::model::Rules;
use crate::services::{End, Repository, Rival, Stranger, Tags, Weather};
use crate::stand::{Deed, Stand};

/// Processes at once.
const PROCESSES: usize = 24;

/// The value of an environment variable.
fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |value| value.parse().unwrap())
}

fn size() -> usize {
    usize::try_from(number("STORM_SIZE", 5_000)).unwrap()
}

fn seed() -> u64 {
    number("STORM_SEED", 1)
}

fn stand(environment: &[(&'static str, &'static str)]) -> Arc<Stand> {
    Stand::new(seed(), environment)
}

/// Prints it though the test is fine: these tests are run for their figures, too.
fn say(text: impl Display) {
    writeln!(std::io::stdout().lock(), "{text}").unwrap();
}

fn name(number: usize) -> String {
    let group = ["team", "team", "team", "base", "base", "base", "base", "ci", "ci", "sandbox"][number % 10];
    format!("{group}/app-{number}")
}

fn tags(random: &mut fastrand::Rng) -> Tags {
    let tag = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    match random.u32(..100) {
        0..3 => vec![tag("ecr-autopolicy", "off")],
        3..30 => vec![tag("team", "payments")],
        30..40 => vec![tag("team", "search"), tag("ecr-autopolicy", "on")],
        _ => Vec::new(),
    }
}

fn theirs() -> Value {
    json!({
        "Sid": "Theirs", "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::888899990000:root" },
        "Action": ["ecr:DescribeImages"]
    })
}

/// Nothing is wrong.
#[track_caller]
fn check_all_right(stand: &Stand) {
    let wrong = stand.services.wrong();
    assert!(wrong.is_empty(), "{} are wrong, as {:#?}", wrong.len(), wrong.iter().take(5).collect::<Vec<_>>());
}

/// Everything is right but what the failure queue names; after the storm that is put right, too.
async fn check_and_heal(stand: &Arc<Stand>, title: &str) {
    let wrong = stand.services.wrong();
    let (failures, shapes) = (stand.deliveries.failures().len(), stand.shapes_of_failures());
    let named = stand.named_by_failures();
    let lost: Vec<_> = wrong.iter().filter(|(name, _)| !named.contains(*name)).collect();
    say(format_args!("{title}, STORM_SEED={}:\n{}", seed(), stand.figures));
    say(format_args!(
        "  after the storm: {failures} messages in the failure queue {shapes:?}, which name {}; wrong {}, lost {}",
        named.len(),
        wrong.len(),
        lost.len()
    ));
    let (number, some) = (lost.len(), &lost[..lost.len().min(5)]);
    assert!(lost.is_empty(), "{number} are wrong, and the failure queue does not name them, as {some:#?}");

    stand.services.heal();
    stand.services.set_pages(1_000, 0);
    stand.deliveries.forget();
    let moved = stand.deliveries.redrive();
    stand.run(PROCESSES).await;
    assert_eq!(stand.deliveries.failures().len(), 0, "after {moved} messages were moved");
    check_all_right(stand);
    say(format_args!(
        "  after {moved} messages were moved to the work queue: wrong 0, lost 0, the failure queue is empty"
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn creations_in_a_storm() {
    let stand = stand(&[("READ_TAGS", "true")]);
    stand.become_foul(Weather::Storm);
    let size = size();
    for number in 0..size {
        let name = name(number);
        let mut random = stand.dice.throw(&name);
        stand.act(Deed::Create(name.clone(), tags(&mut random)));
        match random.u32(..1_000) {
            0..5 => stand.services.deny(&name),
            5..10 => stand.act(Deed::Visit(name.clone(), Stranger::NamesSomebodyDeleted)),
            10..20 => stand.act(Deed::Delete(name.clone())),
            20..60 => stand.act(Deed::Visit(name.clone(), Stranger::Replaces)),
            60..90 => stand.after(random.usize(..size), Deed::Visit(name.clone(), Stranger::any(&mut random))),
            90..100 => stand.after(random.usize(..size), Deed::Delete(name.clone())),
            _ => {}
        }
    }
    stand.run(PROCESSES).await;
    let shapes = stand.shapes_of_failures();
    assert!(["event", "Lambda's record"].iter().all(|shape| shapes.contains_key(shape)), "{shapes:?}");
    check_and_heal(&stand, "creations in a storm").await;
}

/// New repositories, one after each invocation.
fn create(stand: &Stand, numbers: std::ops::Range<usize>) {
    for (after, number) in numbers.enumerate() {
        let name = format!("team/new-{number}");
        let mut random = stand.dice.throw(&name);
        stand.after(after, Deed::Create(name, tags(&mut random)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_in_a_storm() {
    let stand = stand(&[("POLICY_CACHE_SECONDS", "0")]);
    stand.become_foul(Weather::Storm);
    let size = size();
    // One invocation has time for a part of the list only, and once ECR does not know where it was to go on.
    stand.services.set_pages(size.div_ceil(20), 800);
    stand.services.set_forgetful(1);
    stand.set_list_time(Duration::from_secs(6));
    // A name that cannot be one stands in nobody's way.
    stand.services.put("Team/Odd", Repository::new(vec![("ecr-autopolicy".to_owned(), "off".to_owned())]));
    let mut right = BTreeSet::new();
    for number in 0..size {
        let name = name(number);
        let mut random = stand.dice.throw(&name);
        let mut tags = tags(&mut random);
        // Tags are read only where a rule asks for them.
        tags.retain(|(key, _)| key == "team" || name.starts_with("team/"));
        let foreign = if random.u32(..100) < 30 { vec![theirs()] } else { Vec::new() };
        let repository = Repository::new(tags.clone());
        let repository = match random.u32(..100) {
            0..30 => repository.with(Rules::Second.managed(&name, &tags), foreign),
            30..50 => repository,
            50..75 => repository.with(Rules::First.managed(&name, &tags), foreign),
            75..90 => repository.with(Vec::new(), vec![theirs()]),
            _ => {
                let mut old = theirs();
                old["Sid"] = "AutoPolicyGoneAllowPull".into();
                repository.with(vec![old], foreign)
            }
        };
        if Rules::Second.hold_in(repository.policy.as_ref(), &name, &tags) {
            right.insert(name.clone());
        }
        stand.services.put(&name, repository);
        match random.u32(..1_000) {
            0..5 => stand.services.deny(&name),
            5..10 => stand.services.visit(&name, Stranger::NamesSomebodyDeleted),
            10..20 => stand.after(100 + random.usize(..400), Deed::Delete(name)),
            20..50 => stand.after(random.usize(..500), Deed::Visit(name, Stranger::any(&mut random))),
            _ => {}
        }
    }
    // What is under way while the configuration changes may still go by the old one; another test is about that.
    create(&stand, 0..100);
    stand.run(PROCESSES).await;
    stand.act(Deed::ChangeRules(Rules::Second));
    create(&stand, 100..400);
    stand.run(PROCESSES).await;
    assert!(stand.figures.get("list continued") > 0, "the list was never handed on");
    assert_eq!(stand.figures.get("list forgotten"), 1);
    let shapes = stand.shapes_of_failures();
    assert!(shapes.contains_key("part of a sweep"), "{shapes:?}");
    check_and_heal(&stand, "a sweep in a storm").await;

    let repositories = stand.services.repositories();
    let untouched = |name: &&String| repositories.get(*name).is_some_and(|repository| !repository.visited);
    let untouched: Vec<_> = right.iter().filter(untouched).collect();
    let written: Vec<_> = untouched.iter().filter(|name| repositories[**name].writes > 0).collect();
    assert!(written.is_empty(), "written though they were right: {written:?}");
    say(format_args!("  {} of {size} repositories were right before, and have never been written", untouched.len()));
}

/// Processes remember the old value for some seconds, and give it to what is created meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_configuration_reaches_what_is_created_meanwhile() {
    let stand = stand(&[("POLICY_CACHE_SECONDS", "8")]);
    create(&stand, 0..200);
    stand.after(30, Deed::ChangeRules(Rules::Second));
    stand.run(6).await;
    let stale = stand.figures.get("writes by-an-old-value");
    assert!(stale > 0, "no process went by the old value");
    check_all_right(&stand);
    say(format_args!("a changed configuration: {stale} of 200 new policies were written by the old value; wrong 0"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_writers_who_disagree_cannot_make_each_other_spin() {
    for rival in [Rival::Later(40, 20), Rival::AtOnce(40)] {
        let stand = stand(&[]);
        stand.services.set_rival(rival);
        stand.act(Deed::Create("team/app".to_owned(), Vec::new()));
        stand.run(2).await;
        let (ours, theirs) = (stand.services.repositories()["team/app"].writes, stand.figures.get("strangers wrote"));
        let waiting = stand.deliveries.most();
        say(format_args!("{rival:?}: {ours} of our writes, {theirs} of theirs, {waiting} of their events at one time"));
        check_all_right(&stand);
        assert_eq!(theirs, 40);
        assert!(ours <= 41, "{ours} of our writes for 40 of theirs");
        // Were there more with each round, the fight would become ever faster.
        assert_eq!(waiting, 1, "{waiting} of their events waited at one time");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_may_end_at_any_of_its_calls() {
    let mut ended = 0;
    for sweep in [false, true] {
        for (at, after) in (1..=4).flat_map(|at| [(at, false), (at, true)]) {
            // The configuration is read for each event, and nothing before it.
            let stand = stand(&[("POLICY_CACHE_SECONDS", "0")]);
            let repository = Repository::new(Vec::new()).with(Vec::new(), vec![theirs()]);
            stand.services.put("base/app", repository.clone());
            stand.end_next(End { at, after });
            if sweep {
                let part =
                    json!({ "registry": services::ACCOUNT, "region": services::REGION, "repositories": ["base/app"] });
                stand.deliveries.send(&json!({ "sweep": part }).to_string(), 0);
            } else {
                stand.deliveries.invoke(&events::created("creation", "base/app", &Vec::new()), true);
            }
            stand.run(1).await;
            check_all_right(&stand);
            assert_eq!(stand.services.repositories()["base/app"].writes, 1, "{sweep} {at} {after}");
            ended += stand.figures.get("invocations killed");
        }
    }
    // A creation makes three calls, a part of a sweep reads once more.
    assert_eq!(ended, 14);
    say(format_args!(
        "{ended} processes were ended, each at another of their calls; every policy is right, written once"
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_writes_meanwhile_is_kept_where_ecr_lets_us_see_it() {
    const NUMBER: usize = 50;
    for (rival, lost) in [(Rival::AfterTheWrite, 0), (Rival::AfterTheRead, NUMBER)] {
        let stand = stand(&[]);
        stand.services.set_rival(rival);
        for number in 0..NUMBER {
            let repository = Repository::new(Vec::new()).with(Vec::new(), vec![theirs()]);
            stand.services.put(&format!("base/app-{number}"), repository);
        }
        stand.deliveries.invoke(&scheduled("schedule"), false);
        stand.run(2).await;
        check_all_right(&stand);
        let repositories = stand.services.repositories();
        assert!(repositories.values().all(|repository| repository.visited));
        let found = stand.figures.get("strangers lost-between-read-and-write");
        say(format_args!("{rival:?}: {found} of {NUMBER} writes by somebody else were lost"));
        assert_eq!(found, u64::try_from(lost).unwrap(), "{rival:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_does_not_starve_creations() {
    const CREATIONS: usize = 40;
    let stand = stand(&[]);
    // Processes that are started already tell more of the queue and less of the machine.
    for number in 0..20 {
        stand.act(Deed::Create(format!("base/warm-{number}"), Vec::new()));
    }
    stand.run(6).await;
    stand.services.set_limit(100.0, 10.0);
    // As in the template.
    stand.deliveries.set_concurrency(2);
    for number in 0..400 {
        stand.services.put(&format!("base/app-{number}"), Repository::new(Vec::new()));
    }
    stand.deliveries.invoke(&scheduled("schedule"), false);
    // After the list, one creation follows the other.
    for number in 0..CREATIONS {
        stand.after(1 + number, Deed::Create(format!("base/new-{number}"), Vec::new()));
    }
    stand.run(6).await;
    check_all_right(&stand);
    let (swept, mut between) = (stand.services.swept(), stand.services.between().split_off(20));
    between.sort_unstable();
    assert_eq!(between.len(), CREATIONS);
    let (median, most_of_nine_in_ten, most) =
        (between[CREATIONS / 2], between[CREATIONS * 9 / 10 - 1], between[CREATIONS - 1]);
    say(format_args!(
        "{CREATIONS} creations beside a sweep of {swept} calls, ECR takes 100 a second: from a creation's event to its \
         policy ECR took {median} calls of the sweep in the median, {most_of_nine_in_ten} in nine of ten at most, and {most} at \
         most; it refused {} in all",
        stand.figures.get("limit refused")
    ));
    assert!(median <= 20, "{between:?}");
    assert!(most_of_nine_in_ten <= swept / 6, "{between:?} of {swept}");
    // One that is refused again and again waits longer each time, as chance will have it.
    assert!(most <= swept / 2, "{between:?} of {swept}");
}

/// `STORM_SWEEP` is another number of repositories. The time is printed beside the model's, and not tested.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_takes_as_many_calls_as_the_model_says() {
    const PER_SECOND: u32 = 200;
    let repositories = number("STORM_SWEEP", 600);
    let stand = stand(&[]);
    stand.services.set_limit(f64::from(PER_SECOND), 20.0);
    stand.deliveries.set_concurrency(2);
    for number in 0..repositories {
        let name = format!("base/app-{number}");
        let managed = if number % 2 == 0 { Rules::First.managed(&name, &[]) } else { Vec::new() };
        stand.services.put(&name, Repository::new(Vec::new()).with(managed, Vec::new()));
    }
    let start = Instant::now();
    stand.deliveries.invoke(&scheduled("schedule"), false);
    stand.run(3).await;
    let measured = start.elapsed().as_secs_f64();
    check_all_right(&stand);
    let taken = |operation: &str| stand.figures.get(&format!("taken {operation}"));
    let (reads, writes) = (taken("GetRepositoryPolicy"), taken("SetRepositoryPolicy"));
    let model = (repositories + repositories / 2) as f64 / f64::from(PER_SECOND);
    say(format_args!(
        "a sweep of {repositories} repositories, half of them to write, at {PER_SECOND} calls/s: the model says \
         {model:.1} s, measured {measured:.1} s; {} calls were refused",
        stand.figures.get("limit refused")
    ));
    assert_eq!((reads, writes), (repositories, repositories / 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "wants the machine for itself, and what `sam build` makes: `make test-soak`, `make soak`"]
async fn memory_and_descriptors_do_not_grow() {
    soak::soak(number("SOAK", 30)).await;
}
