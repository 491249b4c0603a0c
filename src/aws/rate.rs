//! How fast to call a service whose limit nobody knows: learnt from what it refuses. Pure; the time is handed in.
//!
//! The rate rises while there are calls that wait for their turn, the faster the longer ago the last refusal was, and
//! falls by a step when the service refuses a call. No step goes below what the service has just accepted, so that a
//! limit by whole seconds does not bring it to a standstill.

use std::time::Duration;

/// Calls a second to begin with, before anything is known.
const FIRST: f64 = 50.0;
/// Calls after a rest that go at once, as long as none was ever refused: one repository takes no more.
const FREE: u32 = 4;
const REST: Duration = Duration::from_secs(1);
/// Low enough for whatever limit there is, and high enough for a call alone to be tried again soon.
const LOWEST: f64 = 5.0;
const HIGHEST: f64 = 20_000.0;
/// What a refusal leaves of a rate that had gone well for a while.
const STEP: f64 = 0.85;
/// What it leaves of one that is still far from the limit.
const FIRM_STEP: f64 = 0.6;
/// A rate that has gone well for that long is near the limit.
const SETTLED: Duration = Duration::from_millis(500);
/// A step has to show what it does before there is another.
const SHORTEST_STEP: Duration = Duration::from_millis(50);
/// More than this share of the calls is refused for their number, and nothing else.
const MOST_BY_CHANCE: f64 = 0.25;
/// A rate of less than this share of what was taken lately is not what calls are refused for.
const FAR_BELOW: f64 = 0.7;
/// A share of refusals is that of about so many calls.
const CALLS: f64 = 64.0;
/// What was learnt of refusals by chance is forgotten in about this time.
const MEMORY: Duration = Duration::from_secs(10);
/// Growth of the rate a second, for each second since the last refusal.
const GROWTH: f64 = 0.04;
/// No faster than twice the rate in a fifth of a second.
const FASTEST_GROWTH: f64 = std::f64::consts::LN_2 * 5.0;
/// Growth counts time in which calls wait; a longer pause between two of them was none.
const LONGEST_WAIT: Duration = Duration::from_millis(100);
/// Turns that were missed by no more than this are made up for: a timer is no more exact.
const LATE: Duration = Duration::from_millis(10);

/// The rate of calls to one service, in calls a second.
#[derive(Debug)]
pub(super) struct Rate {
    per_second: f64,
    next_turn: Duration,
    last_turn: Duration,
    free: u32,
    ever_refused: bool,
    last_step: Option<Duration>,
    last_growth: Duration,
    accepted: Recent,
    /// The most calls that were taken in a second.
    best: Fading,
    /// The share of the last calls that was refused.
    refused: f64,
    /// The share that is refused at any rate.
    by_chance: Fading,
}

impl Rate {
    pub(super) fn new() -> Self {
        Self {
            per_second: FIRST,
            next_turn: Duration::ZERO,
            last_turn: Duration::ZERO,
            free: FREE,
            ever_refused: false,
            last_step: None,
            last_growth: Duration::ZERO,
            accepted: Recent::default(),
            best: Fading { value: FIRST, since: Duration::ZERO },
            refused: 0.0,
            by_chance: Fading::default(),
        }
    }

    /// How long the next call has to wait; if not at all, this was its turn.
    pub(super) fn turn(&mut self, now: Duration) -> Option<Duration> {
        if now.saturating_sub(self.last_turn) > REST {
            self.free = FREE;
        }
        if !self.ever_refused && self.free > 0 {
            self.free -= 1;
            self.last_turn = now;
            return None;
        }
        match self.next_turn.checked_sub(now) {
            Some(wait) if !wait.is_zero() => {
                self.grow(now);
                Some(wait)
            }
            _ => {
                let turn = self.next_turn.max(now.saturating_sub(LATE));
                self.last_turn = now;
                self.next_turn = turn + Duration::from_secs_f64(1.0 / self.per_second);
                None
            }
        }
    }

    /// The service took a call.
    pub(super) fn accepted(&mut self, now: Duration) {
        self.accepted.add(now);
        self.best.raise(self.accepted.per_second(now), now);
        self.refused -= self.refused / CALLS;
    }

    /// The service refused a call that was sent then.
    pub(super) fn refused(&mut self, sent: Duration, now: Duration) {
        self.ever_refused = true;
        self.refused += (1.0 - self.refused) / CALLS;
        if self.is_by_chance(now) {
            return;
        }
        // Calls that were under way together are refused together: that is one piece of news.
        if self.last_step.is_some_and(|step| sent < step + SHORTEST_STEP) {
            return;
        }
        let settled = self.last_step.is_some_and(|step| now > step + SETTLED);
        let step = if settled { STEP } else { FIRM_STEP };
        let floor = STEP * self.accepted.per_second(now);
        self.per_second = (step * self.per_second).max(floor).min(self.per_second).max(LOWEST);
        self.last_step = Some(now);
        self.last_growth = now;
    }

    /// Whether the service would have refused it at any rate. It shows at a rate that is far below what was taken lately:
    /// some calls are refused nevertheless, so that to slow down further, or for as many refusals later, is of no use.
    fn is_by_chance(&mut self, now: Duration) -> bool {
        if self.refused > MOST_BY_CHANCE {
            return false;
        }
        if self.per_second < FAR_BELOW * self.best.at(now) {
            self.by_chance.raise((2.0 * self.refused).min(MOST_BY_CHANCE), now);
            self.last_step = None;
            return true;
        }
        self.refused < self.by_chance.at(now)
    }

    fn grow(&mut self, now: Duration) {
        let waited = now.saturating_sub(self.last_growth).min(LONGEST_WAIT);
        let growth = match self.last_step {
            Some(step) => (GROWTH * (1.0 + now.saturating_sub(step).as_secs_f64())).min(FASTEST_GROWTH),
            None => FASTEST_GROWTH,
        };
        self.per_second = (self.per_second * (growth * waited.as_secs_f64()).exp()).min(HIGHEST);
        self.last_growth = now;
    }
}

/// How many happened in about the last second.
#[derive(Debug, Default)]
struct Recent {
    weight: f64,
    last: Duration,
}

impl Recent {
    fn add(&mut self, now: Duration) {
        self.weight = self.per_second(now) + 1.0;
        self.last = now;
    }

    fn per_second(&self, now: Duration) -> f64 {
        self.weight * (-now.saturating_sub(self.last).as_secs_f64()).exp()
    }
}

/// A value that is forgotten unless it is seen again.
#[derive(Debug, Default)]
struct Fading {
    value: f64,
    since: Duration,
}

impl Fading {
    fn raise(&mut self, value: f64, now: Duration) {
        *self = Self { value: self.at(now).max(value), since: now };
    }

    fn at(&self, now: Duration) -> f64 {
        self.value * (-now.saturating_sub(self.since).as_secs_f64() / MEMORY.as_secs_f64()).exp()
    }
}

#[cfg(test)]
mod tests;
