//! Ctrl-C: what is done stays, the summary still comes, and the same command goes on with the rest.

use std::collections::BTreeSet;

use crate::{
    aws::{DescribeRepositories, Fault, GetRepositoryPolicy, SetRepositoryPolicy},
    stage::{Ran, Stage},
};

/// More than the command line works on at once.
const ALL: usize = 150;

/// The last words, with the number of repositories that were under way in words.
fn last_words(ran: &Ran, under_way: usize) -> String {
    let words = |text: &str| {
        let text = text.replace(&format!("{under_way} "), "(under way) ");
        text.replace(&format!("{} repositories left", ALL - under_way), "(the rest) left")
    };
    let summary = ran.stdout.lines().filter(|line| !line.starts_with(['+', '~', '-', ' '])).collect::<Vec<_>>();
    format!("{}\n--- the end of stdout ---\n{}\n--- stderr ---\n{}", ran.end, words(&summary.join("\n")), ran.stderr)
}

#[test]
fn apply_ends_what_is_under_way_and_begins_nothing_more() {
    let stage = Stage::new().repositories(ALL).fault(SetRepositoryPolicy, Fault::Held);
    let running = stage.start("apply rules.json --yes");
    let under_way = stage.wait_until_held(SetRepositoryPolicy);
    running.interrupt();
    running.wait_for_note("interrupted");
    stage.aws().release();
    let first = running.end();
    let written = first.written().into_keys().collect::<BTreeSet<_>>();
    assert_eq!(written.len(), under_way.len(), "it went on with others");
    assert_eq!(written, under_way);
    snapshot!(last_words(&first, under_way.len()));

    stage.aws().clear_faults();
    let second = stage.run("apply rules.json --yes");
    assert_eq!(second.written().len(), ALL - under_way.len(), "it did some twice");
    assert!(second.written().into_keys().all(|name| !under_way.contains(&name)));
    assert_eq!(stage.run("plan rules.json --detailed-exitcode").end, "exit 0");
}

#[test]
fn a_second_time_it_leaves_what_is_under_way() {
    let stage = Stage::new().repositories(3).fault(SetRepositoryPolicy, Fault::Held);
    let running = stage.start("apply rules.json --yes --output json");
    stage.wait_until_held(SetRepositoryPolicy);
    running.interrupt();
    running.wait_for_note("interrupted");
    running.interrupt();
    let ran = running.end();
    stage.aws().release();
    snapshot!(ran.told());
}

#[test]
fn an_interrupted_plan_is_none_to_apply() {
    let stage = Stage::new().repositories(ALL).fault(GetRepositoryPolicy, Fault::Held);
    let running = stage.start("plan rules.json --save today.plan --output json");
    let under_way = stage.wait_until_held(GetRepositoryPolicy).len();
    running.interrupt();
    running.wait_for_note("interrupted");
    stage.aws().release();
    let ran = running.end();
    let told = stage.run("apply --plan today.plan --yes").told();
    let plan = ran.json();
    assert_eq!(ran.end, "exit 130");
    assert_eq!(plan["summary"]["interrupted"], true);
    assert_eq!(plan["repositories"].as_array().unwrap().len(), under_way);
    snapshot!(told);
}

#[test]
fn show_says_that_it_is_not_all() {
    let stage = Stage::new().repositories(ALL).fault(GetRepositoryPolicy, Fault::Held);
    let running = stage.start("show");
    let under_way = stage.wait_until_held(GetRepositoryPolicy).len();
    running.interrupt();
    running.wait_for_note("interrupted");
    stage.aws().release();
    let ran = running.end();
    assert!(ran.end == "exit 130" && ran.stdout.contains("interrupted"), "{}", last_words(&ran, under_way));
}

#[test]
fn nothing_is_lost_where_nothing_has_begun() {
    let stage = Stage::registry().fault(DescribeRepositories, Fault::Held);
    let running = stage.start("apply rules.json --yes");
    crate::stage::wait_for(|| !stage.aws().calls().is_empty());
    running.interrupt();
    let ran = running.end();
    stage.aws().release();
    snapshot!(ran.told());
}
