//! Creations and sweeps for a long time, as fast as the machine does them: do memory and descriptors grow?

use std::time::{Duration, Instant};

use crate::events::scheduled;
use crate::model::Rules;
use crate::process::Holdings;
use crate::services::{Repository, Weather};
use crate::stand::{Deed, Stand};
use crate::{check_all_right, name, say, seed, tags};

const PROCESSES: usize = 4;
const REPOSITORIES: usize = 2_000;
/// Repositories that are deleted and created again in each round.
const CREATED: usize = 1_000;
/// Lines of the table.
const LINES: u32 = 30;
/// Resident memory breathes by that share. In a minute, some 200 bytes an event are more.
const BREATH: f64 = 0.1;
/// Connections of a process that come and go.
const CONNECTIONS: usize = 4;

/// All processes together, at one time.
#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Duration,
    memory: f64,
    descriptors: f64,
}

/// Goes on for that many minutes, in rounds of a sweep with creations beside it. Some calls fail, and no process ends.
pub(crate) async fn soak(minutes: u64) {
    let whole = Duration::from_secs(minutes * 60);
    let stand = Stand::new(seed(), &[("POLICY_CACHE_SECONDS", "0"), ("READ_TAGS", "true")]);
    stand.become_foul(Weather::Breeze);
    for number in 0..REPOSITORIES {
        let name = name(number);
        let tags = tags(&mut stand.dice.throw(&name));
        stand.services.put(&name, Repository::new(tags));
    }
    let start = Instant::now();
    let (mut samples, mut rounds, mut printed) = (Vec::new(), 0, 0);
    say("minute  sweeps  creations  calls/s  resident MB of each process  descriptors");
    while start.elapsed() < whole {
        let rules = if rounds % 2 == 0 { Rules::First } else { Rules::Second };
        stand.services.set_rules(rules);
        stand.deliveries.invoke(&scheduled("schedule"), false);
        for (name, repository) in stand.services.repositories().into_iter().step_by(REPOSITORIES / CREATED) {
            stand.act(Deed::Delete(name.clone()));
            stand.act(Deed::Create(name, repository.tags));
        }
        stand.run(PROCESSES).await;
        while !stand.deliveries.failures().is_empty() {
            stand.deliveries.forget();
            stand.deliveries.redrive();
            stand.run(PROCESSES).await;
        }
        stand.deliveries.forget();
        check_all_right(&stand);
        rounds += 1;

        let holdings = stand.holdings();
        assert_eq!(stand.figures.get("invocations cold"), holdings.len() as u64, "a process was replaced");
        let sample = Sample::of(&holdings, start.elapsed());
        samples.push(sample);
        let line = (sample.at.as_secs_f64() / whole.as_secs_f64() * f64::from(LINES)) as u32;
        if line > printed || rounds == 1 {
            printed = line;
            let created = stand.figures.get("repositories created");
            let calls = stand.figures.sum("calls ") as f64 / sample.at.as_secs_f64();
            let memory = holdings.iter().map(|it| format!("{:5.1}", it.memory as f64 / 1024.0)).collect::<Vec<_>>();
            let descriptors = holdings.iter().map(|it| it.descriptors.to_string()).collect::<Vec<_>>();
            say(format_args!(
                "{:6.1}  {rounds:6}  {created:9}  {calls:7.0}  {:27}  {}",
                sample.at.as_secs_f64() / 60.0,
                memory.join(" "),
                descriptors.join(" ")
            ));
        }
    }
    say(&stand.figures);

    // The first tenth is for caches and connections to fill.
    let warm: Vec<Sample> = samples.into_iter().filter(|sample| sample.at > whole / 10).collect();
    let part = warm.len().div_ceil(10);
    let (first, last) = (mean(&warm[..part]), mean(&warm[warm.len() - part..]));
    say(format_args!(
        "resident memory of all: {:.1} MB in the first tenth after the warm-up, {:.1} MB in the last; descriptors: {:.1}, {:.1}",
        first.memory / 1024.0,
        last.memory / 1024.0,
        first.descriptors,
        last.descriptors
    ));
    assert!(last.memory <= first.memory * (1.0 + BREATH), "memory grows");
    assert!(last.descriptors <= first.descriptors + (PROCESSES * CONNECTIONS) as f64, "descriptors grow");
}

impl Sample {
    fn of(holdings: &[Holdings], at: Duration) -> Sample {
        let memory = holdings.iter().map(|holdings| holdings.memory as f64).sum();
        let descriptors = holdings.iter().map(|holdings| holdings.descriptors as f64).sum();
        Sample { at, memory, descriptors }
    }
}

#[track_caller]
fn mean(samples: &[Sample]) -> Sample {
    assert!(!samples.is_empty(), "the soak was too short");
    let mean = |value: fn(&Sample) -> f64| samples.iter().map(value).sum::<f64>() / samples.len() as f64;
    Sample { at: samples[0].at, memory: mean(|it| it.memory), descriptors: mean(|it| it.descriptors) }
}
