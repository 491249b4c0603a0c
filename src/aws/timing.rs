//! How long the calls of a piece of work took.

use std::{cell::RefCell, collections::BTreeMap, time::Duration};

tokio::task_local! {
    /// Of the work that runs now. Handing it down through every function that makes a call would hide what they do.
    static CALLS: RefCell<Calls>;
}

/// The calls that a piece of work made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    took: BTreeMap<&'static str, Duration>,
    refused: u64,
}

impl Calls {
    /// The time from an IAM action's first call to its last answer, if it was called; summed up where it was needed more
    /// than once.
    #[must_use]
    pub fn took(&self, action: &str) -> Option<Duration> {
        self.took.get(action).copied()
    }

    /// How many calls were refused for their rate.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

/// Does the work, and tells of its calls.
pub async fn timed<T>(work: impl Future<Output = T>) -> (T, Calls) {
    let work = async {
        let done = work.await;
        (done, CALLS.with(RefCell::take))
    };
    CALLS.scope(RefCell::default(), work).await
}

pub(super) fn took(action: &'static str, time: Duration) {
    note(|calls| *calls.took.entry(action).or_default() += time);
}

pub(super) fn refused() {
    note(|calls| calls.refused += 1);
}

/// Outside of work that is timed, nobody asks.
fn note(change: impl FnOnce(&mut Calls)) {
    let _untimed = CALLS.try_with(|calls| change(&mut calls.borrow_mut()));
}
