//! The limit of calls a second.

use std::time::{Duration, Instant};

use clap::ValueEnum;

/// How the calls of a second are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// A bucket that is filled steadily, and holds the burst.
    Bucket,
    /// Each second begins with all its calls; what it leaves is lost.
    Windows,
}

/// Admits calls, or refuses them. The clock is the caller's.
#[derive(Debug)]
pub(crate) struct Limit {
    kind: Kind,
    rate: f64,
    burst: f64,
    left: f64,
    filled: Instant,
}

impl Limit {
    pub(crate) fn new(kind: Kind, rate: u32, burst: u32, now: Instant) -> Self {
        let (rate, burst) = (f64::from(rate), f64::from(burst.max(1)));
        let left = if kind == Kind::Bucket { burst } else { rate };
        Self { kind, rate, burst, left, filled: now }
    }

    /// Whether a call that comes now may pass.
    pub(crate) fn admits(&mut self, now: Instant) -> bool {
        let passed = now.duration_since(self.filled);
        match self.kind {
            Kind::Bucket => {
                self.left = (self.left + passed.as_secs_f64() * self.rate).min(self.burst);
                self.filled = now;
            }
            Kind::Windows if passed.as_secs() > 0 => {
                self.left = self.rate;
                self.filled += Duration::from_secs(passed.as_secs());
            }
            Kind::Windows => {}
        }
        let admitted = self.left >= 1.0;
        if admitted {
            self.left -= 1.0;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of a thousand calls a second are admitted in each second.
    fn admitted(kind: Kind, burst: u32) -> Vec<usize> {
        let start = Instant::now();
        let mut limit = Limit::new(kind, 200, burst, start);
        let mut second = |second: u64| {
            (0..1_000).filter(|milli| limit.admits(start + Duration::from_millis(second * 1_000 + milli))).count()
        };
        (0..3).map(&mut second).collect()
    }

    #[test]
    fn a_bucket_admits_its_burst_and_then_its_rate() {
        assert_eq!(admitted(Kind::Bucket, 50), [249, 200, 200]);
    }

    #[test]
    fn a_window_admits_its_rate_whatever_the_burst() {
        assert_eq!(admitted(Kind::Windows, 50), [200, 200, 200]);
    }

    #[test]
    fn a_quiet_time_fills_a_bucket_to_its_burst_and_a_window_to_its_rate() {
        for (kind, expected) in [(Kind::Bucket, 50), (Kind::Windows, 200)] {
            let start = Instant::now();
            let mut limit = Limit::new(kind, 200, 50, start);
            let later = start + Duration::from_secs(60);
            assert_eq!((0..1_000).filter(|_| limit.admits(later)).count(), expected, "{kind:?}");
        }
    }
}
