//! Chance that is the same in every run, in whichever order things happen.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Mutex;

/// Dice that fall for each thing as the seed says.
pub(crate) struct Dice {
    seed: u64,
    thrown: Mutex<HashMap<String, u64>>,
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice { seed, thrown: Mutex::default() }
    }

    /// The numbers for this thing; others when it is asked again.
    pub(crate) fn throw(&self, thing: &str) -> fastrand::Rng {
        let mut thrown = self.thrown.lock().unwrap();
        let times = match thrown.get_mut(thing) {
            Some(times) => times,
            None => thrown.entry(thing.to_owned()).or_default(),
        };
        *times += 1;
        let mut hasher = DefaultHasher::new();
        (self.seed, thing, *times).hash(&mut hasher);
        fastrand::Rng::with_seed(hasher.finish())
    }

    /// Whether it happens to something that is there only once.
    pub(crate) fn once(&self, thing: &str, share: f64) -> bool {
        let mut hasher = DefaultHasher::new();
        (self.seed, thing).hash(&mut hasher);
        fastrand::Rng::with_seed(hasher.finish()).f64() < share
    }

    /// Whether it happens to this thing, which it does this often.
    pub(crate) fn falls(&self, thing: &str, share: f64) -> bool {
        self.throw(thing).f64() < share
    }
}
