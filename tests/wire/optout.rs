//! Tags: a repository that opts out is left alone, and tags are read only where somebody asks for it.

use serde_json::{Value, json};

use crate::aws::{
    ACCOUNT, Fault, GetParameter, GetRepositoryPolicy, ListTagsForResource, Often, REGION, SetRepositoryPolicy,
};
use crate::creation::{workloads, workloads_statement};
use crate::document::policy;
use crate::event::{created, created_by_ecr, delivery, part, policy_deleted, policy_set, scheduled, tagged, with};
use crate::living::theirs;
use crate::parameter::round_trips;
use crate::scenario::{Became, Scenario, check, each, fails};
use crate::stage::Stage;

const OFF: (&str, &str) = ("ecr-autopolicy", "off");

fn stage() -> Stage {
    Stage::new().configuration(&workloads()).repository("team/app")
}

fn reading_tags() -> Stage {
    stage().env("READ_TAGS", "true")
}

fn applied() -> Scenario {
    Scenario::Applied(policy(&[workloads_statement()]))
}

fn asked(scenario: Scenario) -> Scenario {
    Scenario::TagsAreAsked(Box::new(scenario))
}

/// A rule for the repositories below `team/` of one team.
fn of_a_team() -> Value {
    let mut configuration = workloads();
    configuration["rules"][0]["repositories"] = json!(["team/*"]);
    configuration["rules"][0]["tags"] = json!({ "team": "pay*" });
    configuration
}

#[test]
fn a_repository_that_is_created_with_the_tag_is_left_alone_without_a_further_call() {
    let event = tagged(created("team/app"), &[OFF]);
    for stage in [stage(), reading_tags(), stage().configuration(&of_a_team())] {
        let mut function = stage.start();
        let response = function.check(&event, Scenario::Skipped);
        let arn = format!("arn:aws:ecr:{REGION}:{ACCOUNT}:repository/team/app");
        let skipped = json!({ "repository": arn, "outcome": "skipped", "rules": [], "statements": [] });
        assert_eq!(response, json!({ "outcomes": [skipped] }));
        function.process.wait_for_log("ecr-autopolicy=off");
    }
}

#[test]
fn only_that_very_tag_opts_out() {
    let left_alone: [&[(&str, &str)]; 3] = [&[OFF], &[("team", "payments"), OFF], &[OFF, ("team", "payments")]];
    each(left_alone, |tags| {
        check(stage(), &tagged(created("team/app"), tags), Scenario::Skipped);
        check(reading_tags().tagged("team/app", tags), &created_by_ecr("team/app"), asked(Scenario::Skipped));
    });
    let cared_for: [&[(&str, &str)]; 8] = [
        &[],
        &[("ecr-autopolicy", "on")],
        &[("ecr-autopolicy", "OFF")],
        &[("ecr-autopolicy", " off")],
        &[("ecr-autopolicy", "")],
        &[("Ecr-Autopolicy", "off")],
        &[("autopolicy", "off")],
        &[("off", "ecr-autopolicy")],
    ];
    each(cared_for, |tags| {
        check(stage(), &tagged(created("team/app"), tags), applied());
        check(reading_tags().tagged("team/app", tags), &created_by_ecr("team/app"), asked(applied()));
    });
}

#[test]
fn who_opts_out_keeps_what_is_there_ours_or_not() {
    let both = policy(&[theirs("First"), workloads_statement()]).to_string();
    let ours = policy(&[workloads_statement()]).to_string();
    let replace = crate::living::with_mode(workloads(), "replace");
    for configuration in [workloads(), replace, json!({ "rules": [] })] {
        for live in [&both, &ours] {
            let stage = || Stage::new().configuration(&configuration).live("team/app", live).tagged("team/app", &[OFF]);
            check(stage(), &tagged(created("team/app"), &[OFF]), Scenario::Skipped);
            let event = policy_set("team/app");
            check(stage().env("READ_TAGS", "true"), &event, asked(Scenario::Skipped));
        }
    }
}

#[test]
fn the_tags_of_an_event_are_enough_and_no_call_is_made_for_them() {
    // Also where they are none, and where the repository has others by now.
    let registry = || reading_tags().tagged("team/app", &[OFF]);
    for event in [
        created("team/app"),
        tagged(created("team/app"), &[]),
        tagged(created("team/app"), &[("team", "payments")]),
        with(created("team/app"), "/detail/requestParameters", json!(null)),
    ] {
        let mut function = registry()
            .fault(GetParameter, Fault::Meets(GetRepositoryPolicy), Often::Always)
            .fault(GetRepositoryPolicy, Fault::Meets(GetParameter), Often::Always)
            .start();
        function.check(&event, applied());
        assert_eq!(function.calls().len(), 3);
        assert_eq!(round_trips(&function.calls()), 2);
    }
}

#[test]
fn a_creation_takes_two_round_trips_whatever_the_stack_can_do() {
    for stage in [stage(), stage().queue(), reading_tags(), reading_tags().queue()] {
        let mut function = stage
            .fault(GetParameter, Fault::Meets(GetRepositoryPolicy), Often::Always)
            .fault(GetRepositoryPolicy, Fault::Meets(GetParameter), Often::Always)
            .start();
        function.aws.set_repository(REGION, "team/app", Some(&policy(&[theirs("First")]).to_string()));
        // Not read again after the write, though there are foreign statements.
        function.check(&created("team/app"), Scenario::Applied(policy(&[theirs("First"), workloads_statement()])));
        let operations: Vec<_> = function.calls().iter().map(|call| call.operation).collect();
        assert_eq!(operations.len(), 3, "{operations:?}");
        assert_eq!(round_trips(&function.calls()), 2);
    }
}

#[test]
fn without_the_setting_nobody_asks_for_tags_that_no_rule_wants() {
    let registry = || stage().tagged("team/app", &[OFF]);
    check(registry(), &created_by_ecr("team/app"), applied());
    check(registry(), &policy_deleted("team/app"), applied());
    check(registry(), &scheduled(), Scenario::Swept(vec![("team/app", Became::Applied)], 0));
    // A rule for others wants none either.
    let mut others = of_a_team();
    others["rules"][0]["repositories"] = json!(["elsewhere/*"]);
    check(registry().configuration(&others), &policy_deleted("team/app"), Scenario::Unchanged);
}

#[test]
fn where_a_rule_asks_for_tags_they_opt_out_too() {
    let stage = |tags: &[(&str, &str)]| Stage::new().configuration(&of_a_team()).tagged("team/app", tags);
    for event in [created_by_ecr("team/app"), policy_deleted("team/app")] {
        check(stage(&[OFF, ("team", "payments")]), &event, asked(Scenario::Skipped));
        check(stage(&[("team", "payments")]), &event, asked(applied()));
        check(stage(&[("team", "sales")]), &event, asked(Scenario::Unchanged));
    }
}

#[test]
fn a_sweep_leaves_alone_who_opts_out() {
    let registry = || reading_tags().tagged("team/off", &[OFF]).tagged("team/tagged", &[("team", "payments")]);
    let outcomes = vec![("team/app", Became::Applied), ("team/off", Became::Skipped), ("team/tagged", Became::Applied)];
    let mut function = registry().start();
    function.check(&scheduled(), asked(Scenario::Swept(outcomes, 0)));
    function.check(&scheduled(), asked(Scenario::Swept(vec![("team/off", Became::Skipped)], 2)));
    for call in function.calls().iter().filter(|call| call.operation == ListTagsForResource) {
        let arn = call.body["resourceArn"].as_str().unwrap();
        assert!(arn.starts_with(&format!("arn:aws:ecr:{REGION}:{ACCOUNT}:repository/team/")), "{arn}");
    }

    let mut function = registry().queue().start();
    function.invoke(&scheduled()).response();
    let bodies: Vec<String> = function.messages().into_iter().map(|message| message.body).collect();
    assert_eq!(function.invoke(&delivery(&bodies)).response(), json!({ "batchItemFailures": [] }));
    assert_eq!((function.count(SetRepositoryPolicy), function.count(ListTagsForResource)), (2, 3));
    assert_eq!(function.aws.policy(REGION, "team/off"), None);
}

#[test]
fn a_sweep_asks_for_the_tags_of_those_that_a_rule_with_tags_is_about() {
    let registry = Stage::new()
        .configuration(&of_a_team())
        .tagged("team/payments", &[("team", "payments")])
        .tagged("team/sales", &[("team", "sales")])
        .tagged("team/off", &[OFF, ("team", "payments")])
        .tagged("other/payments", &[("team", "payments")]);
    let mut function = registry.start();
    let response = function.invoke(&scheduled()).response();
    let outcome = |outcome: &Value| (outcome["repository"].to_string(), outcome["outcome"].to_string());
    let mut outcomes: Vec<_> = response["outcomes"].as_array().unwrap().iter().map(outcome).collect();
    outcomes.sort();
    let arn = |name: &str| format!("\"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{name}\"");
    let expected = [("team/off", "skipped"), ("team/payments", "applied")];
    assert_eq!(outcomes, expected.map(|(name, outcome)| (arn(name), format!("\"{outcome}\""))));
    assert_eq!(response["unchanged"], 2);
    let calls = function.calls().into_iter().filter(|call| call.operation == ListTagsForResource);
    let mut asked: Vec<String> = calls.map(|call| call.body["resourceArn"].to_string()).collect();
    asked.sort();
    assert_eq!(asked, ["team/off", "team/payments", "team/sales"].map(arn));
}

#[test]
fn tags_are_read_again_with_the_policy() {
    let second = Fault::Overwritten(Some(policy(&[theirs("Second")]).to_string()));
    let registry = reading_tags().live("team/app", &policy(&[theirs("First")]).to_string());
    let mut function = registry.fault(SetRepositoryPolicy, second, Often::Once).start();
    function.invoke(&scheduled()).response();
    assert_eq!((function.count(GetRepositoryPolicy), function.count(ListTagsForResource)), (3, 3));
}

#[test]
fn tags_that_may_not_be_read_fail_the_event() {
    let denied = || reading_tags().fault(ListTagsForResource, Fault::Denied, Often::Always);
    let scenario = || {
        let words = ["ecr:ListTagsForResource", "arn:aws:ecr:eu-west-1:123456789012:repository/team/app"];
        asked(fails("AccessDenied", &words))
    };
    check(denied(), &created_by_ecr("team/app"), scenario());
    check(denied(), &policy_set("team/app"), scenario());
    let mut function = denied().start();
    let response = function.invoke(&delivery(&[part(&["team/app"]).to_string()])).response();
    assert_eq!(response["batchItemFailures"].as_array().unwrap().len(), 1);
    // With the tags in the event there is nothing to be denied.
    check(denied(), &created("team/app"), applied());
}

#[test]
fn a_repository_that_is_gone_when_its_tags_are_read_is_gone() {
    let registry = reading_tags().fault(ListTagsForResource, Fault::RepositoryVanishes, Often::Once);
    check(registry, &policy_set("team/app"), asked(Scenario::GoneAtRead));
}

#[test]
fn the_setting_is_true_or_false() {
    let registry = |value: &str| stage().tagged("team/app", &[OFF]).env("READ_TAGS", value);
    for value in ["true", " true "] {
        check(registry(value), &created_by_ecr("team/app"), asked(Scenario::Skipped));
    }
    for value in ["false", "", " "] {
        check(registry(value), &created_by_ecr("team/app"), applied());
    }
    for value in ["TRUE", "yes", "1", "truefalse"] {
        let mut function = registry(value).start();
        assert!(!function.process.wait_for_exit().success(), "{value}");
        assert!(!function.process.has_started(), "it asked for an event");
        function.process.wait_for_log("ConfigurationInvalid");
        function.process.wait_for_log("READ_TAGS");
        assert!(function.aws.calls().is_empty());
    }
}
