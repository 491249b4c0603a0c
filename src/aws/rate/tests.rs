//! The rate against simulated services, on a simulated clock.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// How a service counts what it takes.
#[derive(Clone, Copy, Debug)]
enum Limit {
    /// So many a second, and so many at once after a rest.
    Bucket { per_second: f64, burst: f64 },
    /// So many in each second of the clock.
    Window { per_second: u32 },
    /// Everything but in the time between the two, when it takes nothing.
    Outage { from: u64, to: u64, per_second: f64 },
    /// One call in so many is refused, however fast they come.
    Chance { one_in: usize },
    /// Everything.
    None,
}

struct Service {
    limit: Limit,
    random: fastrand::Rng,
    tokens: f64,
    last: Duration,
}

impl Service {
    fn takes(&mut self, now: Duration) -> bool {
        let since = (now - self.last).as_secs_f64();
        let new_second = now.as_secs() != self.last.as_secs();
        self.last = now;
        match self.limit {
            Limit::None => return true,
            Limit::Chance { one_in } => return self.random.usize(..one_in) > 0,
            Limit::Outage { from, to, .. } if (from..to).contains(&now.as_secs()) => return false,
            Limit::Outage { per_second, .. } => self.tokens = (self.tokens + since * per_second).min(per_second / 10.0),
            Limit::Bucket { per_second, burst } => self.tokens = (self.tokens + since * per_second).min(burst),
            Limit::Window { per_second } if new_second => self.tokens = per_second.into(),
            Limit::Window { .. } => {}
        }
        let taken = self.tokens >= 1.0;
        self.tokens -= if taken { 1.0 } else { 0.0 };
        taken
    }
}

#[derive(Debug, Default)]
struct Figures {
    accepted: usize,
    refused: usize,
    /// Accepted from this second on.
    late: usize,
}

/// That many clients, each with that many calls in flight, for that many seconds.
fn simulate(limit: Limit, latency: Duration, clients: usize, in_flight: usize, seconds: u64, late: u64) -> Figures {
    let burst = match limit {
        Limit::Bucket { burst, .. } => burst,
        Limit::Window { per_second } => per_second.into(),
        _ => 0.0,
    };
    let mut service = Service { limit, random: fastrand::Rng::with_seed(1), tokens: burst, last: Duration::ZERO };
    let mut rates: Vec<_> = std::iter::repeat_with(Rate::new).take(clients).collect();
    let mut idle = vec![in_flight; clients];
    let mut looking = vec![true; clients];
    let mut figures = Figures::default();
    // What happens when: a client may look for its turn, or one of its calls comes back.
    let mut events = BinaryHeap::new();
    for client in 0..clients {
        events.push(Reverse((Duration::from_millis(client as u64), client, None)));
    }
    while let Some(Reverse((now, client, answer))) = events.pop() {
        if now > SECOND * u32::try_from(seconds).unwrap() {
            break;
        }
        let rate = &mut rates[client];
        match answer {
            Some((sent, true)) => rate.accepted(sent + latency),
            Some((sent, false)) => rate.refused(sent, now),
            None => {}
        }
        match answer {
            Some(_) => idle[client] += 1,
            None => looking[client] = false,
        }
        // Only the head of the queue waits for its turn.
        while idle[client] > 0 && !looking[client] {
            match rate.turn(now) {
                // A real timer fires at whole milliseconds.
                Some(wait) => {
                    let millis = u64::try_from((now + wait.min(LONGEST_WAIT)).as_nanos().div_ceil(1_000_000)).unwrap();
                    events.push(Reverse((Duration::from_millis(millis), client, None)));
                    looking[client] = true;
                }
                None => {
                    idle[client] -= 1;
                    let taken = service.takes(now);
                    figures.accepted += usize::from(taken);
                    figures.refused += usize::from(!taken);
                    figures.late += usize::from(taken && now.as_secs() >= late);
                    events.push(Reverse((now + latency, client, Some((now, taken)))));
                }
            }
        }
    }
    figures
}

/// At least 90 % of the limit is used, and no more than one call is refused for every two that are taken.
#[track_caller]
fn check_full_use(limit: Limit, per_second: f64, latency: u64, clients: usize) {
    let seconds = 40;
    let figures = simulate(limit, Duration::from_millis(latency), clients, 64, seconds, 0);
    // With that many calls in flight, the latency is a limit, too.
    let most = per_second.min(clients as f64 * 64.0 * 1000.0 / latency as f64);
    let used = figures.accepted as f64 / (most * seconds as f64);
    let refused = figures.refused as f64 / figures.accepted as f64;
    assert!(used >= 0.9, "{limit:?} at {latency} ms for {clients}: {used:.3} used, {refused:.3} refused");
    assert!(refused <= 0.5, "{limit:?} at {latency} ms for {clients}: {used:.3} used, {refused:.3} refused");
}

#[test]
fn a_limit_is_used_and_hardly_overrun() {
    for latency in [1, 10, 50, 200] {
        for per_second in [20.0, 200.0, 1000.0] {
            for burst in [0.1_f64, 0.25, 1.0, 4.0] {
                let burst = (per_second * burst).max(2.0);
                check_full_use(Limit::Bucket { per_second, burst }, per_second, latency, 1);
            }
            check_full_use(Limit::Window { per_second: per_second as u32 }, per_second, latency, 1);
        }
    }
}

#[test]
fn several_clients_share_a_limit() {
    for clients in [2, 5, 10] {
        for burst in [20.0, 200.0] {
            check_full_use(Limit::Bucket { per_second: 200.0, burst }, 200.0, 10, clients);
        }
    }
}

#[test]
fn without_a_limit_the_calls_in_flight_are_the_limit() {
    let latency = Duration::from_millis(10);
    let figures = simulate(Limit::None, latency, 1, 64, 10, 5);
    assert!(figures.late > 6_000 * 5, "{figures:?}");
}

#[test]
fn refusals_that_come_at_any_rate_do_not_slow_the_calls_down() {
    for one_in in [100, 30, 10, 8, 7] {
        let figures = simulate(Limit::Chance { one_in }, Duration::from_millis(10), 1, 64, 60, 30);
        assert!(figures.late > 1_000 * 30, "one in {one_in}: {figures:?}");
    }
}

#[test]
fn after_an_outage_the_rate_comes_back() {
    let outage = Limit::Outage { from: 10, to: 20, per_second: 200.0 };
    let figures = simulate(outage, Duration::from_millis(10), 1, 64, 60, 45);
    assert!(figures.late > 180 * 15, "{figures:?}");
    assert!(figures.refused < 400, "{figures:?}");
}

#[test]
fn the_calls_for_one_repository_need_not_wait() {
    let mut rate = Rate::new();
    for repository in 0..5 {
        for call in 0..3 {
            assert_eq!(rate.turn(2 * SECOND * repository + Duration::from_millis(call)), None);
        }
    }
}

#[test]
fn no_call_is_free_once_one_was_refused_even_by_chance() {
    let free_after = |refusals: u32| {
        let mut rate = Rate::new();
        (0..200).for_each(|number| rate.accepted(number * Duration::from_millis(5)));
        (0..refusals).for_each(|_| rate.refused(SECOND, SECOND));
        (0..2 * FREE).take_while(|_| rate.turn(10 * SECOND).is_none()).count()
    };
    assert_eq!([free_after(0), free_after(1)], [FREE as usize + 1, 1]);
}
