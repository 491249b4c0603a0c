//! What a sweep asked of the server.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde::Serialize;

/// Counts of one action's calls, or of one second's.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Count {
    accepted: u64,
    refused: u64,
}

/// The figures since the start, or since the last reset. Only `by_action` knows other services than ECR.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Figures {
    by_action: BTreeMap<String, Count>,
    #[serde(flatten)]
    all: Count,
    /// The first of them begins with the first call.
    by_second: Vec<Count>,
    in_flight: u64,
    peak_in_flight: u64,
    /// From the first call to the last answer.
    seconds: f64,
    /// How long of that the server itself had something to do.
    busy_seconds: f64,
    #[serde(skip)]
    first: Option<(Instant, Duration)>,
}

impl Count {
    fn add(&mut self, admitted: bool) {
        *(if admitted { &mut self.accepted } else { &mut self.refused }) += 1;
    }
}

impl Figures {
    /// Counts a call of an action, of whichever service.
    pub(crate) fn count(&mut self, action: &str, admitted: bool) {
        match self.by_action.get_mut(action) {
            Some(count) => count.add(admitted),
            None => self.by_action.entry(action.to_owned()).or_default().add(admitted),
        }
    }

    /// A call to ECR comes in.
    pub(crate) fn begin(&mut self, admitted: bool, now: Instant, busy: Duration) {
        let (first, _) = *self.first.get_or_insert((now, busy));
        let second = now.duration_since(first).as_secs() as usize;
        if second >= self.by_second.len() {
            self.by_second.resize(second + 1, Count::default());
        }
        self.by_second[second].add(admitted);
        self.all.add(admitted);
        self.in_flight += 1;
        self.peak_in_flight = self.peak_in_flight.max(self.in_flight);
    }

    /// It is answered.
    pub(crate) fn end(&mut self, now: Instant, busy: Duration) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some((first, busy_then)) = self.first {
            self.seconds = now.duration_since(first).as_secs_f64();
            self.busy_seconds = busy.saturating_sub(busy_then).as_secs_f64();
        }
    }
}
