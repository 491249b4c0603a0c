//! The parameter changed: every repository follows the new value, once it has been found valid.

use serde_json::{Value, json};

use crate::aws::{
    ACCOUNT, DescribeRepositories, Fault, GetParameter, GetRepositoryPolicy, Often, PARAMETER, REGION,
    SetRepositoryPolicy,
};
use crate::creation::workloads;
use crate::document::policy;
use crate::event::{created, parameter_changed, with, without};
use crate::living::{no_rule_matches, old, theirs};
use crate::scenario::{Became, Scenario, check, each, fails};
use crate::stage::Stage;

/// A registry with a repository of every kind.
fn registry(stage: Stage) -> Stage {
    let live = |statements: &[Value]| policy(statements).to_string();
    stage
        .repository("team/app")
        .live("team/shared", &live(&[theirs("First")]))
        .live("team/old", &live(&[old("AutoPolicyWorkloadsAllowPull")]))
        .live("team/right", &live(&[crate::creation::workloads_statement()]))
}

fn stage() -> Stage {
    registry(Stage::new().configuration(&workloads()))
}

/// What becomes of that registry.
fn swept() -> Scenario {
    Scenario::Swept(
        vec![("team/app", Became::Applied), ("team/shared", Became::Merged), ("team/old", Became::Applied)],
        1,
    )
}

#[test]
fn every_repository_follows_a_new_value() {
    for operation in ["Create", "Update"] {
        let mut function = stage().start();
        function.check(&parameter_changed(operation, PARAMETER), swept());
        function.check(&parameter_changed(operation, PARAMETER), Scenario::Swept(vec![], 4));
    }
}

#[test]
fn no_rules_take_our_statements_away_everywhere() {
    let removed = Scenario::Swept(vec![("team/old", Became::Deleted), ("team/right", Became::Deleted)], 2);
    for value in [r#"{"rules": []}"#.to_owned(), no_rule_matches().to_string()] {
        let mut function = stage().parameter(&value).start();
        function.check(&parameter_changed("Update", PARAMETER), removed.clone());
        assert!(function.aws.policy(REGION, "team/shared").is_some_and(|policy| policy.contains("First")));
    }
}

#[test]
fn what_gives_the_parameter_no_new_value_is_ignored() {
    let change = |operation: &str| parameter_changed(operation, PARAMETER);
    let account = with(change("Update"), "/account", json!("999988887777"));
    let cases: Vec<(&str, Value, Vec<&'static str>)> = vec![
        ("deleted", change("Delete"), vec!["`Delete`", "no new value"]),
        ("labelled", change("LabelParameterVersion"), vec!["`LabelParameterVersion`"]),
        ("something new", change("Archive"), vec!["`Archive`"]),
        ("another parameter", parameter_changed("Update", "/another/one"), vec!["`/another/one`", PARAMETER]),
        ("the same name below", parameter_changed("Update", "/x/ecr-autopolicy/configuration"), vec![PARAMETER]),
        ("part of the name", parameter_changed("Update", "/configuration"), vec![PARAMETER]),
        ("no name at all", parameter_changed("Update", ""), vec![PARAMETER]),
        ("another account", account, vec!["999988887777", ACCOUNT]),
    ];
    each(cases, |(_, event, words)| check(stage(), &event, Scenario::RadioSilence(words)));
}

#[test]
fn a_parameter_is_known_by_its_name_and_by_its_arn_with_and_without_a_slash() {
    let path = |name: &str| name.trim_start_matches('/').to_owned();
    let settings = |name: &str| [name.to_owned(), format!("arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{}", path(name))];
    let cases = ["/ecr-autopolicy/configuration", "flat", "/flat"];
    each(cases, |name| {
        for setting in settings(name) {
            for told in [path(name), format!("/{}", path(name))] {
                println!("`{setting}`, and the event says `{told}`");
                let stage = registry(Stage::new().parameter_of(name, &workloads())).env("POLICY_PARAMETER", &setting);
                let mut function = stage.start();
                function.check(&parameter_changed("Update", &told), swept());
                let read = function.calls().into_iter().find(|call| call.operation == GetParameter).unwrap();
                assert_eq!(read.body["Name"], json!(setting));
                let other = Scenario::RadioSilence(vec!["`/other`"]);
                function.check(&parameter_changed("Update", "/other"), other);
            }
        }
    });
}

#[test]
fn an_invalid_new_value_changes_nothing() {
    let mut mistaken = workloads();
    mistaken["rules"][0]["template"] = json!("organisation-ou");
    let values = [
        ("{}".to_owned(), vec![]),
        ("not JSON".to_owned(), vec![]),
        (mistaken.to_string(), vec!["organisation-ou", "organization-ou"]),
        (json!({ "template": "public-pull" }).to_string(), vec!["allow_public"]),
    ];
    each(values, |(value, words)| {
        for stage in [stage(), stage().queue()] {
            let mut function = stage.parameter(&value).start();
            // Nothing is listed either: the scenario allows no call for it.
            function.check(&parameter_changed("Update", PARAMETER), fails("ConfigurationInvalid", &words));
            function.process.wait_for_log(PARAMETER);
            assert_eq!(function.ecr_calls(), []);
            assert!(function.messages().is_empty());
        }
    });
}

#[test]
fn a_value_that_cannot_be_read_changes_nothing() {
    let event = parameter_changed("Update", PARAMETER);
    check(registry(Stage::new()), &event, fails("ConfigurationMissing", &[PARAMETER]));
    let denied = stage().fault(GetParameter, Fault::Denied, Often::Always);
    check(denied, &event, fails("AccessDenied", &["ssm:GetParameter"]));
    let white = registry(Stage::new().parameter(" "));
    // White space is a value: it says that there are no rules.
    check(white, &event, Scenario::Swept(vec![("team/old", Became::Deleted), ("team/right", Became::Deleted)], 2));
}

#[test]
fn a_value_that_is_remembered_is_not_used_for_the_new_one() {
    let mut function = stage().env("POLICY_CACHE_SECONDS", "300").start();
    function.invoke(&created("team/app")).response();
    assert_eq!(function.aws.calls().iter().filter(|call| call.operation == GetParameter).count(), 1);

    function.aws.set_parameter(r#"{"rules": []}"#, false);
    let removed = [("team/app", Became::Deleted), ("team/old", Became::Deleted), ("team/right", Became::Deleted)];
    function.check(&parameter_changed("Update", PARAMETER), Scenario::Swept(removed.to_vec(), 1));
    assert_eq!(function.count(GetParameter), 1);

    // From now on the new value is the one that is remembered.
    function.check(&created("team/app"), Scenario::Unchanged);
    assert_eq!(function.count(GetParameter), 0);

    // An invalid one is not, nor is the one before it put in its place.
    function.aws.set_parameter("{}", false);
    function.check(&parameter_changed("Update", PARAMETER), fails("ConfigurationInvalid", &[]));
    function.aws.set_parameter(&workloads().to_string(), false);
    function.check(
        &parameter_changed("Update", PARAMETER),
        Scenario::Swept(
            vec![
                ("team/app", Became::Applied),
                ("team/old", Became::Applied),
                ("team/right", Became::Applied),
                ("team/shared", Became::Merged),
            ],
            0,
        ),
    );
}

#[test]
fn a_change_in_another_region_is_for_that_region() {
    let arn = format!("arn:aws:ssm:us-east-1:{ACCOUNT}:parameter{PARAMETER}");
    let stage = Stage::of("aws", "us-east-1").configuration(&workloads());
    let stage = stage.env("AWS_REGION", REGION).env("AWS_DEFAULT_REGION", REGION).env("POLICY_PARAMETER", &arn);
    let mut function = stage.repository_in("us-east-1", "team/app").repository_in(REGION, "team/app").start();
    let event = with(parameter_changed("Update", PARAMETER), "/region", json!("us-east-1"));
    let response = function.invoke(&event).response();
    assert_eq!(response["outcomes"].as_array().unwrap().len(), 1, "{response:#}");
    assert!(function.aws.policy("us-east-1", "team/app").is_some());
    assert_eq!(function.aws.policy(REGION, "team/app"), None);
    assert!(function.calls().iter().all(|call| call.region == "us-east-1"));
}

#[test]
fn a_change_that_is_no_such_event_is_refused() {
    let change = parameter_changed("Update", PARAMETER);
    let cases = [
        ("no detail", without(change.clone(), "/detail")),
        ("a detail that is a text", with(change.clone(), "/detail", json!("{}"))),
        ("no operation", without(change.clone(), "/detail/operation")),
        ("an operation that is none", with(change.clone(), "/detail/operation", json!(7))),
        ("no name", without(change.clone(), "/detail/name")),
        ("names", with(change.clone(), "/detail/name", json!([PARAMETER]))),
        ("no account", without(change.clone(), "/account")),
        ("an account that is none", with(change.clone(), "/account", json!("mine"))),
        ("no Region", without(change.clone(), "/region")),
        ("a Region that is none", with(change.clone(), "/region", json!("../evil"))),
        ("what an expiration policy did", with(change, "/detail-type", json!("Parameter Store Policy Action"))),
    ];
    each(cases, |(_, event)| check(stage(), &event, Scenario::Garbage));
}

#[test]
fn the_configuration_is_read_once_and_first() {
    let mut function = stage().fault(DescribeRepositories, Fault::Throttle, Often::Once).start();
    function.check(&parameter_changed("Update", PARAMETER), swept());
    assert_eq!(function.count(GetParameter), 1);
    let read = |operation| function.calls().iter().position(|call| call.operation == operation).unwrap();
    assert!(read(GetParameter) < read(DescribeRepositories));
    assert!(read(DescribeRepositories) < read(GetRepositoryPolicy));
    assert!(read(GetRepositoryPolicy) < read(SetRepositoryPolicy));
}
