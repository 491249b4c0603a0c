//! Turns for the calls to one service, at the rate that it takes.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::rate::Rate;

/// A wait is looked at again that often, since the rate can change meanwhile.
const LOOK: Duration = Duration::from_millis(100);

/// Shared by all calls to one service in one Region, since they may share its limit.
#[derive(Debug)]
pub(super) struct Pacer {
    start: Instant,
    rate: Mutex<Rate>,
    /// Held by the call at the head of the queue, which is the only one that looks for its turn.
    head: tokio::sync::Mutex<()>,
}

impl Pacer {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), rate: Mutex::new(Rate::new()), head: tokio::sync::Mutex::default() }
    }

    /// Returns when a call may be sent.
    pub(super) async fn turn(&self) -> Sent {
        let _head = self.head.lock().await;
        loop {
            let now = self.start.elapsed();
            let wait = self.rate().turn(now);
            match wait {
                None => return Sent(now),
                Some(wait) => sleep(wait.min(LOOK)).await,
            }
        }
    }

    pub(super) fn accepted(&self) {
        self.rate().accepted(self.start.elapsed());
    }

    pub(super) fn refused(&self, Sent(sent): Sent) {
        self.rate().refused(sent, self.start.elapsed());
    }

    fn rate(&self) -> MutexGuard<'_, Rate> {
        self.rate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When a call was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent(Duration);
