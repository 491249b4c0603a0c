//! What happened how often.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;

/// Counts by name, in groups by the name's first word.
#[derive(Default)]
pub(crate) struct Figures(Mutex<BTreeMap<String, u64>>);

impl Figures {
    pub(crate) fn count(&self, name: &str) {
        self.add(name, 1);
    }

    pub(crate) fn add(&self, name: &str, number: u64) {
        let mut counts = self.0.lock().unwrap();
        match counts.get_mut(name) {
            Some(count) => *count += number,
            None => drop(counts.insert(name.to_owned(), number)),
        }
    }

    pub(crate) fn get(&self, name: &str) -> u64 {
        self.0.lock().unwrap().get(name).copied().unwrap_or_default()
    }

    /// The sum of all whose names begin so.
    pub(crate) fn sum(&self, beginning: &str) -> u64 {
        let counts = self.0.lock().unwrap();
        counts.iter().filter(|(name, _)| name.starts_with(beginning)).map(|(_, count)| count).sum()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut group = String::new();
        for (name, count) in &*self.0.lock().unwrap() {
            let (first, rest) = name.split_once(' ').unwrap_or((name, ""));
            if first != group {
                write!(f, "{}  {first}: {rest} {count}", if group.is_empty() { "" } else { "\n" })?;
                first.clone_into(&mut group);
            } else {
                write!(f, ", {rest} {count}")?;
            }
        }
        Ok(())
    }
}
