//! A policy that somebody else wrote or deleted is mended, and two who disagree cannot make each other spin.

use std::time::Duration;

use serde_json::{Value, json};

use crate::aws::{
    ACCOUNT, DeleteRepositoryPolicy, DescribeRepositories, Fault, GetRepositoryPolicy, Often, REGION,
    SetRepositoryPolicy, as_ecr_answers,
};
use crate::creation::{workloads, workloads_statement};
use crate::document::policy;
use crate::event::{created, policy_deleted, policy_set, policy_set_in, scheduled, with, without};
use crate::living::{no_rule_matches, old, theirs, with_mode};
use crate::scenario::{Scenario, check, each, fails, fails_at_write};
use crate::stage::{Function, Stage};

const ARN: &str = "arn:aws:ecr:eu-west-1:123456789012:repository/team/app";
/// Who writes in the function's name: its role, in a session that Lambda names after the function.
const OWN: &str = "arn:aws:sts::123456789012:assumed-role/ecr-autopolicy-FunctionRole-1A2B3C/ecr-autopolicy";

fn stage() -> Stage {
    Stage::new().configuration(&workloads()).repository("team/app")
}

fn live(policy: &Value) -> Stage {
    Stage::new().configuration(&workloads()).live("team/app", &policy.to_string())
}

fn applied() -> Scenario {
    Scenario::Applied(policy(&[workloads_statement()]))
}

fn merged(statements: &[Value]) -> Scenario {
    Scenario::Applied(policy(statements))
}

/// The event with this identity in place of the developer's.
fn by(event: Value, arn: &str) -> Value {
    with(event, "/detail/userIdentity/arn", json!(arn))
}

/// The statements that the repository has.
#[track_caller]
fn has(function: &Function, statements: &[Value]) {
    let live: Value = serde_json::from_str(&function.aws.policy(REGION, "team/app").unwrap()).unwrap();
    let expected: Value = serde_json::from_str(&as_ecr_answers(&policy(statements).to_string(), "aws")).unwrap();
    assert_eq!(live["Statement"], expected["Statement"]);
}

#[test]
fn whatever_somebody_does_to_a_policy_is_mended() {
    let ours = workloads_statement;
    let added = policy(&[theirs("First"), ours()]);
    let stale = policy(&[theirs("First"), old("AutoPolicyGoneAllowPull")]);
    let alone = policy(&[old("AutoPolicyGoneAllowPull")]);
    let elsewhere = |live: &Value| live_with(&no_rule_matches(), live);
    let cases: Vec<(&str, Stage, Scenario)> = vec![
        ("deleted", stage(), applied()),
        ("overwritten", live(&policy(&[theirs("First")])), merged(&[theirs("First"), ours()])),
        ("ours edited", live(&policy(&[old("AutoPolicyWorkloadsAllowPull")])), applied()),
        ("one of ours too many", live(&stale), merged(&[theirs("First"), ours()])),
        ("theirs added", live(&added), Scenario::Unchanged),
        ("left alone", live_with(&with_mode(workloads(), "skip"), &added), Scenario::Skipped),
        ("replaced", live_with(&with_mode(workloads(), "replace"), &added), applied()),
        ("no rule, ours alone", elsewhere(&alone), Scenario::Deleted),
        ("no rule, ours beside theirs", elsewhere(&stale), Scenario::Reduced(policy(&[theirs("First")]))),
        ("no rule, nothing ours", elsewhere(&policy(&[theirs("First")])), Scenario::Unchanged),
        ("gone", Stage::new().configuration(&workloads()), Scenario::GoneAtRead),
        (
            "gone at the write",
            stage().fault(SetRepositoryPolicy, Fault::RepositoryVanishes, Often::Once),
            Scenario::GoneAtWrite,
        ),
    ];
    for (name, stage, scenario) in cases {
        println!("{name}");
        check(stage, &policy_set("team/app"), scenario);
    }
    check(stage(), &policy_deleted("team/app"), applied());
    check(live(&policy(&[theirs("First")])), &policy_deleted("team/app"), merged(&[theirs("First"), ours()]));
}

fn live_with(configuration: &Value, live: &Value) -> Stage {
    Stage::new().configuration(configuration).live("team/app", &live.to_string())
}

#[test]
fn what_was_mended_is_reported_like_a_creation() {
    let mended = stage().start().check(&policy_deleted("team/app"), applied());
    assert_eq!(mended, stage().start().check(&created("team/app"), applied()));
}

#[test]
fn whoever_it_was_that_wrote_it_but_this_function() {
    let sts = format!("arn:aws:sts::{ACCOUNT}:assumed-role");
    let own = |arn: &str| (by(policy_set("team/app"), arn), Scenario::RadioSilence(vec!["this function's own"]));
    let others = |arn: &str| (by(policy_set("team/app"), arn), applied());
    let identity = |identity: Value| (with(policy_set("team/app"), "/detail/userIdentity", identity), applied());
    let cases = [
        own(OWN),
        own(&format!("{sts}/ecr-autopolicy/ecr-autopolicy")),
        (by(policy_deleted("team/app"), OWN), Scenario::RadioSilence(vec!["this function's own"])),
        others(&format!("{sts}/ecr-autopolicy-FunctionRole-1A2B3C/ada")),
        others(&format!("{sts}/ecr-autopolicy/ecr-autopolicy-two")),
        others(&format!("{sts}/ecr-autopolicy/two-ecr-autopolicy")),
        others("arn:aws:sts::999988887777:assumed-role/ecr-autopolicy/ecr-autopolicy"),
        others(&format!("arn:aws:iam::{ACCOUNT}:user/ecr-autopolicy")),
        others(&format!("arn:aws:iam::{ACCOUNT}:user/assumed-role/ecr-autopolicy")),
        others(&format!("arn:aws:iam::{ACCOUNT}:root")),
        others(""),
        identity(json!(null)),
        identity(json!("HIDDEN_DUE_TO_SECURITY_REASONS")),
        identity(json!({ "type": "AWSService", "invokedBy": "cloudformation.amazonaws.com" })),
        identity(json!({ "type": "AssumedRole", "arn": 7 })),
        (without(policy_set("team/app"), "/detail/userIdentity"), applied()),
    ];
    each(cases, |(event, scenario)| check(stage(), &event, scenario));
}

#[test]
fn the_function_knows_itself_by_its_own_name_under_every_qualifier() {
    for qualifier in ["", ":live", ":7", ":$LATEST"] {
        let arn = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:another-name{qualifier}");
        let session = format!("arn:aws:sts::{ACCOUNT}:assumed-role/role/another-name");
        let own = Scenario::RadioSilence(vec!["this function's own"]);
        check(stage().arn(&arn), &by(policy_set("team/app"), &session), own);
        check(stage().arn(&arn), &by(policy_set("team/app"), OWN), applied());
    }
}

#[test]
fn what_changed_nothing_here_is_ignored() {
    let set = policy_set("team/app");
    let failed = with(set.clone(), "/detail/errorCode", json!("RepositoryNotFoundException"));
    let failed = with(failed, "/detail/responseElements", json!(null));
    let denied = with(policy_deleted("team/app"), "/detail/errorCode", json!("AccessDenied"));
    let denied = with(denied, "/detail/requestParameters", json!(null));
    let registry = with(set.clone(), "/detail/requestParameters/registryId", json!("999988887777"));
    let recipient = without(set.clone(), "/detail/requestParameters/registryId");
    let recipient = with(recipient, "/detail/recipientAccountId", json!("999988887777"));
    let account = with(without(recipient.clone(), "/detail/recipientAccountId"), "/account", json!("999988887777"));
    let public = with(set.clone(), "/detail/eventSource", json!("ecr-public.amazonaws.com"));
    let service = with(set.clone(), "/detail-type", json!("AWS Service Event via CloudTrail"));
    let cases: Vec<(&str, Value, Vec<&'static str>)> = vec![
        ("a failed call", failed, vec!["RepositoryNotFoundException", "no policy was changed"]),
        ("a denied call, whose members are hidden", denied, vec!["AccessDenied"]),
        ("another registry", registry, vec!["999988887777", ACCOUNT]),
        ("another recipient", recipient, vec!["999988887777"]),
        ("another account", account, vec!["999988887777"]),
        ("ECR Public", public, vec!["ecr-public.amazonaws.com"]),
        ("ECR itself", service, vec!["SetRepositoryPolicy"]),
        (
            "the registry's own policy",
            with(set.clone(), "/detail/eventName", json!("PutRegistryPolicy")),
            vec!["PutRegistryPolicy"],
        ),
        ("a lifecycle policy", with(set, "/detail/eventName", json!("PutLifecyclePolicy")), vec!["PutLifecyclePolicy"]),
    ];
    each(cases, |(_, event, words)| check(stage(), &event, Scenario::RadioSilence(words)));
}

#[test]
fn only_the_repository_s_name_and_registry_are_read_of_the_call() {
    let set = policy_set("team/app");
    for event in [
        without(set.clone(), "/detail/requestParameters/registryId"),
        with(set.clone(), "/detail/requestParameters/registryId", json!(null)),
        with(set.clone(), "/detail/requestParameters/policyText", json!({ "Statement": 7 })),
        with(set.clone(), "/detail/responseElements", json!(null)),
        with(set.clone(), "/detail/responseElements", json!("none")),
        with(set.clone(), "/detail/responseElements/policyText", json!("not a policy")),
        with(set.clone(), "/detail/errorCode", json!("")),
        with(set, "/resources", json!("none")),
    ] {
        check(stage(), &event, applied());
    }
}

#[test]
fn a_call_that_names_no_repository_is_refused() {
    let set = policy_set("team/app");
    let name = "/detail/requestParameters/repositoryName";
    let cases = [
        ("no name", without(set.clone(), name)),
        ("a name that is a number", with(set.clone(), name, json!(7))),
        ("a name that ECR forbids", with(set.clone(), name, json!("Team/App"))),
        ("no request", with(set.clone(), "/detail/requestParameters", json!(null))),
        ("a hidden request", with(set.clone(), "/detail/requestParameters", json!("HIDDEN"))),
        ("a registry that is none", with(set, "/detail/requestParameters/registryId", json!("mine"))),
    ];
    each(cases, |(_, event)| check(stage(), &event, Scenario::Garbage));
}

#[test]
fn it_is_mended_in_the_event_s_region() {
    let event = policy_set_in("aws", "us-east-1", "team/app");
    let mut function = stage().repository_in("us-east-1", "team/app").start();
    let response = function.check(&event, applied());
    assert_eq!(response["outcomes"][0]["repository"], ARN.replace(REGION, "us-east-1"));
    assert_eq!(function.aws.policy(REGION, "team/app"), None);
}

#[test]
fn the_function_s_own_write_leads_to_no_other() {
    let mut function = stage().start();
    function.check(&policy_deleted("team/app"), applied());
    // Its own write comes back, under its own name and, where a rule sends it on, under another.
    function.check(&by(policy_set("team/app"), OWN), Scenario::RadioSilence(vec![]));
    for _ in 0..3 {
        function.check(&policy_set("team/app"), Scenario::Unchanged);
    }
}

#[test]
fn each_write_of_somebody_else_is_answered_by_one_at_most() {
    let mut function = stage().start();
    for round in 0..5 {
        let theirs = policy(&[theirs(&format!("Round{round}"))]);
        function.aws.set_repository(REGION, "team/app", Some(&theirs.to_string()));
        // CloudTrail delivers at least once.
        function.invoke(&policy_set("team/app")).response();
        assert_eq!(function.count(SetRepositoryPolicy), 1);
        function.check(&policy_set("team/app"), Scenario::Unchanged);
        function.check(&by(policy_set("team/app"), OWN), Scenario::RadioSilence(vec![]));
    }
}

#[test]
fn what_somebody_writes_at_the_same_time_is_merged_too() {
    let (first, second, ours) = (theirs("First"), theirs("Second"), workloads_statement());
    let with_ours = policy(&[second.clone(), ours.clone()]);
    let get_and_set = [GetRepositoryPolicy, SetRepositoryPolicy];
    // What is there after our first write, what it should come to, and how many writes more that takes.
    let cases: Vec<(Option<Value>, Vec<Value>, usize)> = vec![
        (Some(policy(std::slice::from_ref(&second))), vec![second.clone(), ours.clone()], 1),
        (Some(policy(&[second.clone(), old("AutoPolicyWorkloadsAllowPull")])), vec![second.clone(), ours.clone()], 1),
        (Some(with_ours), vec![second, ours.clone()], 0),
    ];
    each(cases, |(written, expected, more)| {
        let written = written.map(|policy| as_ecr_answers(&policy.to_string(), "aws"));
        let mut function = live(&policy(std::slice::from_ref(&first)))
            .fault(SetRepositoryPolicy, Fault::Overwritten(written), Often::Once)
            .start();
        let response = function.invoke(&scheduled()).response();
        assert_eq!(response["outcomes"][0]["outcome"], "applied");
        assert_eq!(response["outcomes"][0]["statements"], json!(["AutoPolicyWorkloadsAllowPull"]));
        let calls = [vec![DescribeRepositories], get_and_set.repeat(1 + more), vec![GetRepositoryPolicy]].concat();
        assert_eq!(function.ecr_calls(), calls);
        has(&function, &expected);
        function.check(&policy_set("team/app"), Scenario::Unchanged);
    });
    // With nothing foreign left there is nothing to lose, and nothing to read again.
    let mut function =
        live(&policy(&[first])).fault(SetRepositoryPolicy, Fault::Overwritten(None), Often::Once).start();
    function.invoke(&scheduled()).response();
    assert_eq!(function.ecr_calls(), [vec![DescribeRepositories], get_and_set.repeat(2)].concat());
    has(&function, &[ours]);
}

#[test]
fn somebody_who_writes_each_time_is_given_up_after_three_rounds() {
    let stubborn = policy(&[theirs("Stubborn")]);
    let stage = live(&policy(&[theirs("First")]));
    let always = Fault::Overwritten(Some(stubborn.to_string()));
    let mut function = stage.fault(SetRepositoryPolicy, always, Often::Always).start();
    let failure = function.invoke(&scheduled()).failure();
    assert_eq!(failure.kind, "PolicyRejected", "{}", failure.message);
    let words = [ARN, "somebody else changed the policy", "let one of the two"].map(str::to_owned);
    function.check_message(&failure.message, "PolicyRejected", &words);
    assert_eq!(function.count(SetRepositoryPolicy), 3);
    assert_eq!(function.count(GetRepositoryPolicy), 4);
    // Theirs is what is left, and once they are quiet the next event mends it.
    has(&function, &[theirs("Stubborn")]);
    function.aws.clear_faults();
    function.check(&policy_set("team/app"), merged(&[theirs("Stubborn"), workloads_statement()]));
}

/// What the other writes after us has an event of its own. Were it answered at once as well, each of their events would
/// lead to several writes of ours, and so to several of theirs.
#[test]
fn a_repair_writes_once() {
    let always = Fault::Overwritten(Some(policy(&[theirs("Stubborn")]).to_string()));
    let mut function = live(&policy(&[theirs("First")])).fault(SetRepositoryPolicy, always, Often::Always).start();
    function.check(&policy_set("team/app"), merged(&[theirs("First"), workloads_statement()]));
    function.check(&policy_set("team/app"), merged(&[theirs("Stubborn"), workloads_statement()]));
}

#[test]
fn a_foreign_policy_that_the_configuration_does_not_keep_is_not_read_again() {
    let live = live_with(&with_mode(workloads(), "replace"), &policy(&[theirs("First")]));
    let always = Fault::Overwritten(Some(policy(&[theirs("Stubborn")]).to_string()));
    let mut function = live.fault(SetRepositoryPolicy, always, Often::Always).start();
    let response = function.invoke(&scheduled()).response();
    assert_eq!(response["outcomes"][0]["outcome"], "applied");
    assert_eq!(function.ecr_calls(), [DescribeRepositories, GetRepositoryPolicy, SetRepositoryPolicy]);
}

#[test]
fn a_repository_that_vanishes_in_the_middle_of_it_is_gone() {
    let second = || Fault::Overwritten(Some(policy(&[theirs("Second")]).to_string()));
    let nothing = || Fault::Late(Duration::ZERO);
    let before = || live(&policy(&[theirs("First")]));
    let at_the_look = before().fault(GetRepositoryPolicy, nothing(), Often::Once).fault(
        GetRepositoryPolicy,
        Fault::RepositoryVanishes,
        Often::Once,
    );
    let at_the_second_write = before().fault(SetRepositoryPolicy, second(), Often::Once).fault(
        SetRepositoryPolicy,
        Fault::RepositoryVanishes,
        Often::Once,
    );
    for stage in [at_the_look, at_the_second_write] {
        let response = stage.start().invoke(&scheduled()).response();
        assert_eq!(response["outcomes"][0]["outcome"], "gone", "{response:#}");
    }
}

#[test]
fn a_look_that_fails_fails_the_sweep_and_the_next_one_finds_it_right() {
    let nothing = Fault::Late(Duration::ZERO);
    let mut function = live(&policy(&[theirs("First")]))
        .fault(GetRepositoryPolicy, nothing, Often::Once)
        .fault(GetRepositoryPolicy, Fault::Denied, Often::Once)
        .start();
    let failure = function.invoke(&scheduled()).failure();
    assert_eq!(failure.kind, "AccessDenied", "{}", failure.message);
    has(&function, &[theirs("First"), workloads_statement()]);
    function.check(&policy_set("team/app"), Scenario::Unchanged);
}

#[test]
fn what_fails_at_a_creation_fails_at_a_repair() {
    let event = policy_set("team/app");
    check(stage().parameter("{}"), &event, fails("ConfigurationInvalid", &[]));
    check(Stage::new().repository("team/app"), &event, fails("ConfigurationMissing", &[]));
    let denied = |operation| stage().fault(operation, Fault::Denied, Often::Always);
    check(denied(GetRepositoryPolicy), &event, fails("AccessDenied", &["ecr:GetRepositoryPolicy", ARN]));
    check(denied(SetRepositoryPolicy), &event, fails_at_write("AccessDenied", &["ecr:SetRepositoryPolicy", ARN]));
    let stale = live_with(&no_rule_matches(), &policy(&[old("AutoPolicyGoneAllowPull")]));
    let mut function = stale.fault(DeleteRepositoryPolicy, Fault::Denied, Often::Always).start();
    let failure = function.invoke(&event).failure();
    assert_eq!(failure.kind, "AccessDenied", "{}", failure.message);
}

#[test]
fn an_invalid_configuration_looks_at_no_policy() {
    let mut function = live(&policy(&[theirs("First")])).parameter("{}").start();
    function.check(&policy_set("team/app"), fails("ConfigurationInvalid", &[]));
    assert_eq!(function.ecr_calls(), []);
}
