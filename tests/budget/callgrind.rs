//! What callgrind writes: https://valgrind.org/docs/manual/cl-format.html

use std::collections::HashMap;

/// How many instructions each function took itself.
pub(crate) struct Profile(HashMap<Function, u64>);

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Function {
    name: String,
    /// The file of the program or library that it is in.
    object: String,
}

impl Profile {
    pub(crate) fn read(text: &str) -> Profile {
        // A name is written out once, and by its number from then on.
        let mut names: HashMap<(bool, String), String> = HashMap::new();
        let mut named = |object: bool, written: &str| match written.split_once(')') {
            Some((number, "")) => names.get(&(object, number.to_owned())).cloned().unwrap_or_default(),
            Some((number, name)) => {
                names.insert((object, number.to_owned()), name.trim().to_owned());
                name.trim().to_owned()
            }
            None => written.to_owned(),
        };
        let mut counts = HashMap::new();
        let mut current = Function::default();
        // The line after a call says what the called function took, which has its own lines, too.
        let mut called = false;
        for line in text.lines() {
            match line.split_once('=') {
                Some(("fn", name)) => current.name = named(false, name),
                Some(("ob", name)) => current.object = named(true, name),
                Some(("cfn", name)) => drop(named(false, name)),
                Some(("cob", name)) => drop(named(true, name)),
                Some(("calls", _)) => called = true,
                Some(_) => {}
                None if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) => {
                    let cost = line.split(' ').nth(1).and_then(|cost| cost.parse::<u64>().ok());
                    if !std::mem::take(&mut called) {
                        *counts.entry(current.clone()).or_default() += cost.unwrap_or_default();
                    }
                }
                None => {}
            }
        }
        Profile(counts)
    }

    /// All of them.
    pub(crate) fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// The heaviest first.
    pub(crate) fn by_function(&self) -> Vec<(String, u64)> {
        sorted(self.0.iter().map(|(function, count)| (function.name.clone(), *count)))
    }

    /// The heaviest first; what is no Rust counts for the library that it is in.
    pub(crate) fn by_crate(&self) -> Vec<(String, u64)> {
        sorted(self.0.iter().map(|(function, count)| (krate(function), *count)))
    }
}

fn sorted(counts: impl Iterator<Item = (String, u64)>) -> Vec<(String, u64)> {
    let mut sums: HashMap<String, u64> = HashMap::new();
    for (name, count) in counts {
        *sums.entry(name).or_default() += count;
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by(|(one, count), (other, more)| more.cmp(count).then(one.cmp(other)));
    sums
}

/// `<alpha::One as core::fmt::Debug>::fmt` is `alpha`'s.
fn krate(function: &Function) -> String {
    let name = function.name.trim_start_matches(['<', '&', '*', '(', '[']);
    let name = ["mut ", "dyn ", "const "].iter().fold(name, |name, word| name.trim_start_matches(word));
    match name.split_once("::") {
        Some((krate, _)) if krate.chars().all(|letter| letter.is_alphanumeric() || letter == '_') => krate.to_owned(),
        _ => {
            let object = function.object.rsplit('/').next().unwrap_or_default();
            format!("{object}, no Rust")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_function_calls_is_not_counted_twice() {
        let profile = Profile::read(
            "events: Ir\nob=(1) /usr/bin/bootstrap\nfl=(1) ???\nfn=(1) alpha::main\n0 10\ncob=(2) /lib/libc.so.6\n\
             cfn=(2) memcpy\ncalls=1 0\n0 500\n+2 7\n\nob=(2)\nfn=(2)\n0 500\n\nob=(1)\nfn=(1)\n* 3\n\
             fn=(3) <beta::Two as core::fmt::Debug>::fmt\n0 5\ntotals: 525\n",
        );
        assert_eq!(profile.total(), 525);
        let functions = [("memcpy", 500), ("alpha::main", 20), ("<beta::Two as core::fmt::Debug>::fmt", 5)];
        assert_eq!(profile.by_function(), functions.map(|(name, count)| (name.to_owned(), count)));
        let crates = [("libc.so.6, no Rust", 500), ("alpha", 20), ("beta", 5)];
        assert_eq!(profile.by_crate(), crates.map(|(name, count)| (name.to_owned(), count)));
    }
}
