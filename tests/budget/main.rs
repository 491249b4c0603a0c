//! The start of the function must not grow heavier unnoticed: instructions from the start of the real `bootstrap` to its
//! first answer, counted by callgrind, beside those of `budget.json`.
//!
//! Instructions are counted, so that neither a busy machine nor a slow one changes the result, unless it takes the
//! function longer than it waits for what it prepares.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the helpers of these tests fail a test by panicking"
)]

mod callgrind;
mod function;
mod lambda;

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};
use support::{aws, event};

use callgrind::Profile;
use function::Backend;

/// How far the count may be from the budget, in percent: what rustc, the C library and a processor's extensions make of
/// the same sources differs by less.
const TOLERANCE: u64 = 10;

/// What of a profile is worth a line.
const LINES: usize = 15;

/// The budget of each architecture, since each has instructions of its own.
type Budgets = BTreeMap<String, BTreeMap<Backend, Budget>>;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Budget {
    instructions: u64,
    /// Who takes them, in a build with symbols; whatever takes less than a percent is left out.
    by_crate: BTreeMap<String, u64>,
    /// What it was counted with.
    rustc: String,
}

#[test]
#[ignore = "counts instructions of what `sam build` makes, and needs valgrind: `make test-budget`"]
fn the_start_costs_what_the_budget_says() {
    let bootstrap = env::var_os("BOOTSTRAP").expect("`make test-budget` runs this test, and sets BOOTSTRAP");
    let bootstrap = PathBuf::from(bootstrap);
    let count = || Backend::ALL.map(|backend| (backend, function::start(&bootstrap, backend).total()));
    if env::var("BUDGET").is_ok_and(|what| what == "record") {
        return record(&count());
    }
    let budgets = read();
    let Some(budgets) = budgets.get(env::consts::ARCH) else {
        println!("there is no budget for {} yet: `make budget` on such a machine writes one", env::consts::ARCH);
        return;
    };
    let counted = count();
    let wrong: Vec<_> = counted
        .into_iter()
        .filter_map(|(backend, count)| {
            println!("the start over {backend} takes {} instructions", grouped(count));
            let budget = budgets.get(&backend).expect("`make budget` writes one for each way to reach the services");
            Some((backend, budget, verdict(backend, count, budget)?))
        })
        .collect();
    if wrong.is_empty() {
        return;
    }
    let mut message = String::new();
    for (_, _, verdict) in &wrong {
        let _ = writeln!(message, "{verdict}");
    }
    println!("building `bootstrap` with symbols, to see where they go; this takes some minutes");
    let symbols = with_symbols();
    for (backend, budget, _) in &wrong {
        let profile = function::start(&symbols, *backend);
        let _ = write!(message, "\n{}", where_to_look(*backend, &profile, budget));
    }
    panic!("{message}\nif this is meant, `make budget` writes the new numbers to tests/budget/budget.json");
}

/// What is wrong with the count, if anything.
fn verdict(backend: Backend, count: u64, budget: &Budget) -> Option<String> {
    let (more, why) = if count * 100 > budget.instructions * (100 + TOLERANCE) {
        ("more", "it has grown heavier")
    } else if count * 100 < budget.instructions * (100 - TOLERANCE) {
        ("less", "it has grown lighter, and by this budget nobody would notice if it grew heavier again")
    } else {
        return None;
    };
    Some(format!(
        "the start over {backend} takes {} instructions, {:.1} % {more} than its budget of {} (counted with {}, now {}): {why}",
        grouped(count),
        count.abs_diff(budget.instructions) as f64 * 100.0 / budget.instructions as f64,
        grouped(budget.instructions),
        budget.rustc,
        rustc(),
    ))
}

/// The heaviest crates and functions, and what each crate took when the budget was written.
fn where_to_look(backend: Backend, profile: &Profile, budget: &Budget) -> String {
    let mut text = format!("where the start over {backend} goes, in a build with symbols, and how that has changed:\n");
    for (name, count) in profile.by_crate().into_iter().take(LINES) {
        let before = budget.by_crate.get(&name).copied().unwrap_or_default();
        let change = i128::from(count) - i128::from(before);
        let sign = if change < 0 { "-" } else { "+" };
        let change = format!("{sign}{}", grouped(u64::try_from(change.abs()).unwrap_or(u64::MAX)));
        let _ = writeln!(text, "  {:>12}  {change:>12}  {name}", grouped(count));
    }
    let _ = writeln!(text, "the heaviest functions:");
    for (name, count) in profile.by_function().into_iter().take(LINES) {
        let _ = writeln!(text, "  {:>12}  {name}", grouped(count));
    }
    text
}

fn record(counted: &[(Backend, u64)]) {
    let mut budgets = read();
    let symbols = with_symbols();
    let budget = |(backend, instructions): &(Backend, u64)| {
        let profile = function::start(&symbols, *backend);
        let worth = profile.total() / 100;
        let by_crate = profile.by_crate().into_iter().filter(|(_, count)| *count >= worth).collect();
        println!("the start over {backend} takes {} instructions", grouped(*instructions));
        (*backend, Budget { instructions: *instructions, by_crate, rustc: rustc() })
    };
    budgets.insert(env::consts::ARCH.to_owned(), counted.iter().map(budget).collect());
    let mut text = serde_json::to_string_pretty(&budgets).unwrap();
    text.push('\n');
    std::fs::write(file(), text).unwrap();
}

fn read() -> Budgets {
    let text = std::fs::read_to_string(file()).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{} cannot be read: {error}", file().display()))
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/budget/budget.json")
}

/// The same program, built for this machine, with the names of its functions.
fn with_symbols() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = root.join("target/symbols");
    let status = Command::new("cargo")
        .args(["build", "--quiet", "--locked", "--release", "--bin", "bootstrap", "--target-dir"])
        .arg(&target)
        .env("CARGO_PROFILE_RELEASE_STRIP", "false")
        .env("RUSTFLAGS", env::var("FUNCTION_RUSTFLAGS").unwrap_or_default())
        .current_dir(root)
        .status()
        .expect("cargo cannot be started");
    assert!(status.success(), "`bootstrap` cannot be built with symbols");
    target.join("release/bootstrap")
}

fn rustc() -> String {
    let version = Command::new("rustc").arg("--version").output().expect("rustc cannot be started");
    let version = String::from_utf8(version.stdout).unwrap();
    version.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// 12,345,678
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap()).collect();
    groups.join(",")
}

#[test]
fn a_start_a_tenth_heavier_or_lighter_than_its_budget_is_told() {
    let budget = Budget { instructions: 10_000_000, by_crate: BTreeMap::new(), rustc: "rustc 1.95.0".to_owned() };
    for (count, said) in [
        (10_000_000, None),
        (11_000_000, None),
        (11_000_001, Some("10.0 % more than its budget of 10,000,000")),
        (20_000_000, Some("100.0 % more than its budget of 10,000,000")),
        (9_000_000, None),
        (8_900_000, Some("11.0 % less than its budget of 10,000,000")),
    ] {
        let verdict = verdict(Backend::Tls, count, &budget);
        match (&verdict, said) {
            (None, None) => {}
            (Some(verdict), Some(said)) => assert!(verdict.contains(said), "{verdict}"),
            other => panic!("{count}: {other:?}"),
        }
    }
}

#[test]
fn what_has_grown_since_the_budget_is_told() {
    let profile = Profile::read("fn=(1) alpha::one\n1 300\nfn=(2) beta::two\n1 1200\n");
    let by_crate = BTreeMap::from([("alpha".to_owned(), 400), ("beta".to_owned(), 200)]);
    let budget = Budget { instructions: 600, by_crate, rustc: "rustc 1.95.0".to_owned() };
    let told = where_to_look(Backend::Plain, &profile, &budget);
    let expected = [
        "where the start over plain HTTP goes, in a build with symbols, and how that has changed:",
        "         1,200        +1,000  beta",
        "           300          -100  alpha",
        "the heaviest functions:",
        "         1,200  beta::two",
        "           300  alpha::one",
    ];
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
}
