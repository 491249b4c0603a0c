//! Every repository of a registry, brought in line by one invocation: there is no queue to spread it over.

use std::time::Duration;

use serde_json::{Value, json};

use crate::aws::{
    ACCOUNT, DeleteRepositoryPolicy, DescribeRepositories, Fault, GetParameter, GetRepositoryPolicy, Often, REGION,
    SetRepositoryPolicy,
};
use crate::creation::{workloads, workloads_statement};
use crate::document::policy;
use crate::event::{created, scheduled, scheduled_by_scheduler, scheduled_in, with, without};
use crate::living::{no_rule_matches, old, theirs, with_mode};
use crate::scenario::{Became, Scenario, check, each, each_at_once, fails};
use crate::stage::{Function, Stage};

fn stage() -> Stage {
    Stage::new().configuration(&workloads())
}

fn arn(name: &str) -> String {
    format!("arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{name}")
}

/// A live policy of these statements.
fn live(statements: &[Value]) -> String {
    policy(statements).to_string()
}

/// Repositories of that number, all of one team.
fn names(number: usize) -> Vec<String> {
    (0..number).map(|number| format!("team/app{number:04}")).collect()
}

/// The repositories whose policy holds our statement.
fn in_line(function: &Function) -> usize {
    let policies = function.aws.policies();
    policies.values().flatten().filter(|policy| policy.contains("AutoPolicyWorkloadsAllowPull")).count()
}

#[test]
fn a_rule_s_schedule_and_that_of_the_scheduler_look_at_every_repository() {
    let cases = [
        ("a rule", scheduled()),
        ("the Scheduler", scheduled_by_scheduler()),
        ("a detail that is missing", without(scheduled(), "/detail")),
        ("a detail of its own", with(scheduled(), "/detail", json!({ "operation": "Delete", "sweep": 7 }))),
        (
            "no more than what is read",
            json!({ "detail-type": "Scheduled Event", "account": ACCOUNT, "region": REGION }),
        ),
    ];
    each(cases, |(_, event)| {
        let stage = stage().repository("team/app").live("team/right", &live(&[workloads_statement()]));
        check(stage, &event, Scenario::Swept(vec![("team/app", Became::Applied)], 1));
    });
}

#[test]
fn what_becomes_of_each_repository_is_in_the_answer_and_what_stays_is_counted() {
    let registry = stage()
        .repository("team/app")
        .live("team/edited", &live(&[old("AutoPolicyWorkloadsAllowPull")]))
        .live("team/gone", &live(&[workloads_statement()]))
        .live("team/right", &live(&[workloads_statement()]))
        .live("team/shared", &live(&[theirs("First")]))
        .live("team/shared-right", &live(&[theirs("First"), workloads_statement()]))
        .fault_of("team/gone", GetRepositoryPolicy, Fault::RepositoryVanishes, Often::Once);
    let mut function = registry.start();
    let outcomes = vec![
        ("team/app", Became::Applied),
        ("team/edited", Became::Applied),
        ("team/gone", Became::Gone),
        ("team/shared", Became::Merged),
    ];
    function.check(&scheduled(), Scenario::Swept(outcomes, 2));
    let response = function.check(&scheduled(), Scenario::Swept(vec![], 5));
    assert_eq!(response, json!({ "outcomes": [], "unchanged": 5 }));
}

#[test]
fn where_no_rule_matches_ours_go_and_theirs_stay() {
    let registry = Stage::new()
        .configuration(&no_rule_matches())
        .live("team/ours", &live(&[workloads_statement(), old("AutoPolicyGoneAllowPull")]))
        .live("team/both", &live(&[theirs("First"), workloads_statement()]))
        .live("team/theirs", &live(&[theirs("First")]))
        .repository("team/none");
    let removed = vec![("team/ours", Became::Deleted), ("team/both", Became::Reduced)];
    let mut function = registry.start();
    function.check(&scheduled(), Scenario::Swept(removed, 2));
    function.check(&scheduled(), Scenario::Swept(vec![], 4));
}

#[test]
fn what_is_left_alone_on_purpose_is_skipped() {
    let skip = with_mode(workloads(), "skip");
    let registry = Stage::new()
        .configuration(&skip)
        .live("team/shared", &live(&[theirs("First")]))
        .live("team/both", &live(&[theirs("First"), workloads_statement()]))
        .repository("team/app");
    let outcomes =
        vec![("team/shared", Became::Skipped), ("team/both", Became::Skipped), ("team/app", Became::Applied)];
    check(registry, &scheduled(), Scenario::Swept(outcomes, 0));
}

#[test]
fn a_registry_with_no_repository_is_soon_done() {
    check(stage(), &scheduled(), Scenario::Swept(vec![], 0));
}

#[test]
fn the_list_is_read_page_by_page_to_its_end() {
    for (page, pages) in [(1, 7), (3, 3), (6, 2), (7, 1), (1_000, 1)] {
        let mut function = stage().repositories(names(7)).page(page).start();
        let response = function.invoke(&scheduled()).response();
        assert_eq!(response["outcomes"].as_array().unwrap().len(), 7);
        assert_eq!(in_line(&function), 7);
        assert_eq!(function.count(DescribeRepositories), pages, "with {page} on a page");
        assert_eq!((function.count(GetRepositoryPolicy), function.count(SetRepositoryPolicy)), (7, 7));
        for call in function.calls().iter().filter(|call| call.operation == DescribeRepositories) {
            assert_eq!(call.body["maxResults"], json!(1_000));
            assert_eq!(call.body["registryId"], json!(ACCOUNT));
        }
    }
}

#[test]
fn more_than_a_thousand_repositories_take_a_second_page() {
    let mut function = stage().repositories(names(1_001)).start();
    let response = function.invoke(&scheduled()).response();
    assert_eq!(response["outcomes"].as_array().unwrap().len(), 1_001);
    assert_eq!((in_line(&function), function.count(DescribeRepositories)), (1_001, 2));
    // The answer is in the order of the list.
    let listed = response["outcomes"].as_array().unwrap().iter().map(|outcome| outcome["repository"].as_str().unwrap());
    let mut in_order: Vec<String> = names(1_001).iter().map(|name| arn(name)).collect();
    in_order.sort_by_key(|name| name.bytes().rev().collect::<Vec<_>>());
    assert_eq!(listed.collect::<Vec<_>>(), in_order);
}

#[test]
fn only_the_event_s_region_is_swept() {
    let elsewhere = [("aws", REGION, "us-east-1"), ("aws-cn", "cn-north-1", "cn-northwest-1")];
    each(elsewhere, |(partition, home, region)| {
        let stage = Stage::of(partition, home).configuration(&workloads());
        let stage = stage.repository_in(home, "team/app").repository_in(region, "team/app");
        let mut function = stage.start();
        let response = function.invoke(&scheduled_in(partition, region)).response();
        let expected = format!("arn:{partition}:ecr:{region}:{ACCOUNT}:repository/team/app");
        assert_eq!(response["outcomes"].as_array().map(Vec::len), Some(1), "{response:#}");
        assert_eq!(response["outcomes"][0]["repository"], json!(expected));
        assert_eq!(function.aws.policy(home, "team/app"), None);
        for call in function.calls() {
            let expected = if call.operation == GetParameter { home } else { region };
            assert_eq!(call.region, expected, "the Region that {:?} is signed for", call.operation);
        }
    });
}

#[test]
fn another_account_s_schedule_is_ignored_and_one_of_none_refused() {
    let registry = || stage().repository("team/app");
    for event in [scheduled(), scheduled_by_scheduler()] {
        let others = with(event.clone(), "/account", json!("999988887777"));
        check(registry(), &others, Scenario::RadioSilence(vec!["999988887777", ACCOUNT]));
        for odd in [
            without(event.clone(), "/account"),
            without(event.clone(), "/region"),
            with(event.clone(), "/account", json!(7)),
            with(event.clone(), "/region", json!("everywhere")),
        ] {
            check(registry(), &odd, Scenario::Garbage);
        }
    }
}

#[test]
fn a_repository_that_fails_does_not_stop_the_others() {
    let faults = [
        (GetRepositoryPolicy, Fault::Denied, "AccessDenied"),
        (SetRepositoryPolicy, Fault::Denied, "AccessDenied"),
        (SetRepositoryPolicy, Fault::Refused("InvalidParameterException", "Principal not found"), "PolicyRejected"),
    ];
    each(faults, |(operation, fault, kind)| {
        let registry = stage().repositories(names(60)).page(25);
        let mut function = registry.fault_of("team/app0007", operation, fault, Often::Always).start();
        let failure = function.invoke(&scheduled()).failure();
        assert_eq!(failure.kind, kind, "{}", failure.message);
        function.check_message(&failure.message, kind, &[arn("team/app0007")]);
        assert!(!failure.message.contains("app0008"), "{}", failure.message);
        assert_eq!(in_line(&function), 59);
    });
}

#[test]
fn several_that_fail_are_named_and_counted() {
    let registry = stage().repositories(names(40)).page(25);
    let registry = registry
        .fault_of("team/app0003", GetRepositoryPolicy, Fault::Denied, Often::Always)
        .fault_of("team/app0021", SetRepositoryPolicy, Fault::Denied, Often::Always)
        .fault_of("team/app0038", GetRepositoryPolicy, Fault::RepositoryVanishes, Often::Once);
    let mut function = registry.start();
    let failure = function.invoke(&scheduled()).failure();
    assert_eq!(failure.kind, "AccessDenied", "{}", failure.message);
    let words = ["2 repositories".to_owned(), arn("team/app0003"), arn("team/app0021"), "ecr:".to_owned()];
    function.check_message(&failure.message, "AccessDenied", &words);
    // One that is gone has not failed.
    assert!(!failure.message.contains("app0038"), "{}", failure.message);
    assert_eq!(in_line(&function), 37);
    for name in ["team/app0003", "team/app0021"] {
        function.process.wait_for_log(&arn(name));
    }
}

#[test]
fn of_very_many_that_fail_some_are_named() {
    let mut function = stage().repositories(names(50)).fault(GetRepositoryPolicy, Fault::Denied, Often::Always).start();
    let failure = function.invoke(&scheduled()).failure();
    assert_eq!(failure.kind, "AccessDenied", "{}", failure.message);
    function.check_message(&failure.message, "AccessDenied", &["50 repositories".to_owned(), "and 30 more".to_owned()]);
    assert_eq!(failure.message.matches("`arn:aws:ecr:").count(), 20 + 1, "{}", failure.message);
}

#[test]
fn a_sweep_that_is_tried_again_does_what_is_left() {
    let registry = stage().repositories(names(30));
    let mut function = registry.fault_of("team/app0007", SetRepositoryPolicy, Fault::Denied, Often::Once).start();
    function.invoke(&scheduled()).failure();
    assert_eq!(in_line(&function), 29);
    function.check(&scheduled(), Scenario::Swept(vec![("team/app0007", Became::Applied)], 29));
}

#[test]
fn what_passes_fails_no_repository() {
    each([Fault::Throttle, Fault::ServerError, Fault::Unavailable, Fault::Reset], |fault| {
        let mut registry = stage().repositories(names(12)).page(5);
        for operation in [GetParameter, DescribeRepositories, GetRepositoryPolicy, SetRepositoryPolicy] {
            for _ in 0..2 {
                registry = registry.fault(operation, fault.clone(), Often::Once);
            }
        }
        let mut function = registry.start();
        let response = function.invoke(&scheduled()).response();
        assert_eq!(response["outcomes"].as_array().unwrap().len(), 12);
        assert_eq!(in_line(&function), 12);
    });
}

#[test]
fn a_list_that_cannot_be_read_fails_the_sweep() {
    let registry = || stage().repository("team/app");
    let denied = registry().fault(DescribeRepositories, Fault::Denied, Often::Always);
    let throttled = registry().fault(DescribeRepositories, Fault::Throttle, Often::Always);
    let broken = registry().fault(DescribeRepositories, Fault::ServerError, Often::Always);
    let refused = Fault::Refused("InvalidParameterException", "Invalid parameter at 'nextToken'");
    let refused = registry().fault(DescribeRepositories, refused, Often::Always);
    let cases = [
        ("denied", denied, "AccessDenied"),
        ("throttled", throttled, "Throttled"),
        ("broken", broken, "ServiceUnavailable"),
        ("refused", refused, "ServiceUnavailable"),
    ];
    for (name, stage, kind) in cases {
        println!("{name}");
        let mut function = stage.start();
        let failure = function.invoke_within(&scheduled(), Duration::from_millis(2_500)).failure();
        assert_eq!(failure.kind, kind, "{}", failure.message);
        assert!(!failure.late, "it answered after the deadline: {}", failure.message);
        let words = ["ecr:DescribeRepositories".to_owned(), REGION.to_owned()];
        function.check_message(&failure.message, kind, &words);
        assert_eq!(function.count(GetRepositoryPolicy), 0);
    }
}

#[test]
fn without_a_configuration_nothing_is_listed() {
    let registry = || Stage::new().live("team/app", &live(&[workloads_statement()]));
    check(registry(), &scheduled(), fails("ConfigurationMissing", &[]));
    check(registry().parameter("{}"), &scheduled(), fails("ConfigurationInvalid", &[]));
    let denied = registry().configuration(&workloads()).fault(GetParameter, Fault::Denied, Often::Always);
    check(denied, &scheduled(), fails("AccessDenied", &["ssm:GetParameter"]));
}

#[test]
fn a_sweep_ends_before_its_deadline() {
    let faults = [Fault::Silence, Fault::Throttle, Fault::ServerError];
    each_at_once(faults, |fault| {
        let mut function = stage().repositories(names(1_000)).start();
        function.process.wait_for_start();
        function.aws.set_fault(GetRepositoryPolicy, fault, Often::Always);
        let failure = function.invoke_within(&scheduled(), Duration::from_secs(4)).failure();
        assert!(!failure.late, "it answered after the deadline");
        assert!(["ServiceUnavailable", "Throttled"].contains(&failure.kind.as_str()), "{}", failure.kind);
        assert!(failure.message.starts_with("1000 repositories"), "{}", failure.message);
        assert_eq!(in_line(&function), 0);
        // The process is none the worse for it.
        function.aws.clear_faults();
        function.check(&created("team/app0000"), Scenario::Applied(policy(&[workloads_statement()])));
    });
}

#[test]
fn a_policy_that_somebody_writes_meanwhile_is_merged_in_a_sweep_too() {
    let second = Fault::Overwritten(Some(live(&[theirs("Second")])));
    let registry = stage().repositories(names(5)).live("team/shared", &live(&[theirs("First")]));
    let mut function = registry.fault_of("team/shared", SetRepositoryPolicy, second, Often::Once).start();
    let response = function.invoke(&scheduled()).response();
    assert_eq!(response["outcomes"].as_array().unwrap().len(), 6);
    let [get, set] = [GetRepositoryPolicy, SetRepositoryPolicy];
    assert_eq!(function.calls_by_repository()["team/shared"], [get, set, get, set, get]);
    let policy = function.aws.policy(REGION, "team/shared").unwrap();
    assert!(policy.contains("Second") && policy.contains("AutoPolicyWorkloadsAllowPull"), "{policy}");
    function.check(&scheduled(), Scenario::Swept(vec![], 6));
}

#[test]
fn one_who_always_writes_fails_alone() {
    let always = Fault::Overwritten(Some(live(&[theirs("Stubborn")])));
    let registry = stage().repositories(names(5)).live("team/shared", &live(&[theirs("First")]));
    let mut function = registry.fault_of("team/shared", SetRepositoryPolicy, always, Often::Always).start();
    let failure = function.invoke(&scheduled()).failure();
    assert_eq!(failure.kind, "PolicyRejected", "{}", failure.message);
    function.check_message(&failure.message, "PolicyRejected", &[arn("team/shared")]);
    assert_eq!(in_line(&function), 5);
}

#[test]
fn a_policy_that_somebody_deletes_meanwhile_is_as_good_as_removed() {
    let registry = Stage::new().parameter(" ").live("team/app", &live(&[workloads_statement()]));
    let registry = registry.fault(DeleteRepositoryPolicy, Fault::PolicyVanishes, Often::Once);
    check(registry, &scheduled(), Scenario::Swept(vec![("team/app", Became::Deleted)], 0));
}

#[test]
fn the_log_names_what_changed_and_not_what_stays() {
    let registry = stage().repository("team/app").live("team/right", &live(&[workloads_statement()]));
    let mut function = registry.start();
    function.invoke(&scheduled()).response();
    function.process.wait_for_log("reconciled");
    let logs = function.process.logs();
    let lines: Vec<Value> = logs.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [line] = lines.as_slice() else { panic!("{logs}") };
    assert_eq!((&line["repository"], &line["outcome"]), (&json!(arn("team/app")), &json!("applied")));
}
