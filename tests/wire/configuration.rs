//! What ops may write into the parameter, and what every mistake in it leads to.

use serde_json::{Value, json};

use crate::aws::{ListTagsForResource, REGION};
use crate::creation::{workloads, workloads_statement};
use crate::document::{actions, policy};
use crate::event::{created, created_by_ecr, tagged};
use crate::scenario::{Scenario, check, each, fails};
use crate::stage::Stage;

fn stage(configuration: &Value) -> Stage {
    Stage::new().configuration(configuration).repository("team/app")
}

/// A rule that lets one account pull, by its name and its patterns.
fn rule(name: &str, account: &str, patterns: Value) -> Value {
    let mut rule = json!({
        "name": name,
        "template": "principals",
        "with": { "principals": [format!("arn:aws:iam::{account}:root")] }
    });
    for (key, value) in patterns.as_object().unwrap() {
        rule[key] = value.clone();
    }
    rule
}

/// The statement of such a rule.
fn statement(name: &str, account: &str) -> Value {
    json!({
        "Sid": format!("AutoPolicy{name}AllowPull"),
        "Effect": "Allow",
        "Principal": { "AWS": format!("arn:aws:iam::{account}:root") },
        "Action": actions("Pull")
    })
}

/// A document that lets one service in, which every check finds right.
fn sound(sid: &str) -> Value {
    json!({
        "Sid": sid,
        "Effect": "Allow",
        "Principal": { "AWS": "arn:aws:iam::444455556666:root" },
        "Action": "ecr:BatchGetImage"
    })
}

#[test]
fn rules_add_up() {
    let configuration = json!({ "rules": [
        rule("One", "111111111111", json!({ "repositories": ["team/*"] })),
        rule("Two", "222222222222", json!({ "repositories": ["other/*"] })),
        rule("Three", "333333333333", json!({})),
        { "name": "Four", "policy": policy(&[sound("First"), sound("Second")]) },
    ]});
    let mut fourth = vec![sound("AutoPolicyFourFirst"), sound("AutoPolicyFourSecond")];
    let mut statements = vec![statement("One", "111111111111"), statement("Three", "333333333333")];
    statements.append(&mut fourth);
    let mut function = stage(&configuration).start();
    let response = function.check(&created("team/app"), Scenario::Applied(policy(&statements)));
    insta::assert_json_snapshot!(response, @r#"
    {
      "outcomes": [
        {
          "repository": "arn:aws:ecr:eu-west-1:123456789012:repository/team/app",
          "outcome": "applied",
          "rules": [
            "One",
            "Three",
            "Four"
          ],
          "statements": [
            "AutoPolicyOneAllowPull",
            "AutoPolicyThreeAllowPull",
            "AutoPolicyFourFirst",
            "AutoPolicyFourSecond"
          ]
        }
      ]
    }
    "#);
}

#[test]
fn patterns_are_iam_s_wildcards() {
    let cases = [
        (json!({}), true),
        (json!({ "repositories": ["*"] }), true),
        (json!({ "repositories": ["team/app"] }), true),
        (json!({ "repositories": ["team"] }), false),
        (json!({ "repositories": ["team/*"] }), true),
        (json!({ "repositories": ["team*"] }), true),
        (json!({ "repositories": ["t*p"] }), true),
        (json!({ "repositories": ["*/app"] }), true),
        (json!({ "repositories": ["*app*"] }), true),
        (json!({ "repositories": ["team?app"] }), true),
        (json!({ "repositories": ["team/ap?"] }), true),
        (json!({ "repositories": ["team/app?"] }), false),
        (json!({ "repositories": ["team.app"] }), false),
        (json!({ "repositories": ["other/*", "team/*"] }), true),
        (json!({ "except": ["team/*"] }), false),
        (json!({ "except": ["sandbox/*"] }), true),
        (json!({ "repositories": ["team/*"], "except": ["team/a*", "xx"] }), false),
        (json!({ "repositories": ["team/*"], "except": ["team/b*"] }), true),
    ];
    each(cases, |(patterns, matches)| {
        let scenario =
            if matches { Scenario::Applied(policy(&[statement("One", "111111111111")])) } else { Scenario::Unchanged };
        let configuration = json!({ "rules": [rule("One", "111111111111", patterns)] });
        check(stage(&configuration), &created("team/app"), scenario);
    });
}

#[test]
fn a_repository_that_no_rule_matches_is_left_as_it_is() {
    let configuration = json!({ "rules": [rule("One", "111111111111", json!({ "repositories": ["other"] }))] });
    let mut function = stage(&configuration).start();
    let response = function.check(&created("team/app"), Scenario::Unchanged);
    assert_eq!(response["outcomes"][0]["rules"], json!([]));
    assert_eq!(response["outcomes"][0]["statements"], json!([]));
}

#[test]
fn one_rule_alone_may_be_the_whole_value() {
    let expected = || {
        let mut statement = workloads_statement();
        statement["Sid"] = json!("AutoPolicyAllowPull");
        Scenario::Applied(policy(&[statement]))
    };
    let short = json!({
        "template": "organization-ou",
        "with": { "org_paths": ["o-a1b2c3d4e5/*/ou-ab12-cd34ef56/*"] }
    });
    check(stage(&short), &created("team/app"), expected());
    let mut beside = short.clone();
    beside["on_existing_policy"] = json!("replace");
    beside["allow_public"] = json!(false);
    check(stage(&beside), &created("team/app"), expected());
    // One rule needs no name in the long form, either.
    check(stage(&json!({ "rules": [short] })), &created("team/app"), expected());
}

#[test]
fn a_policy_document_alone_may_be_the_whole_value() {
    let document = policy(&[sound("First"), {
        let mut nameless = sound("");
        nameless.as_object_mut().unwrap().shift_remove("Sid");
        nameless
    }]);
    let expected = policy(&[sound("AutoPolicyFirst"), sound("AutoPolicyStatement2")]);
    check(stage(&document), &created("team/app"), Scenario::Applied(expected));
}

#[test]
fn a_policy_document_may_have_its_one_statement_without_a_list() {
    let document = json!({ "Version": "2012-10-17", "Statement": sound("First") });
    let expected = policy(&[sound("AutoPolicyFirst")]);
    check(stage(&document), &created("team/app"), Scenario::Applied(expected));
}

#[test]
fn a_statement_without_an_id_is_numbered_by_its_place() {
    let nameless = |name: &str| {
        let mut statement = sound("");
        statement.as_object_mut().unwrap().shift_remove("Sid");
        json!({ "name": name, "policy": policy(&[statement.clone(), sound("Mine"), statement]) })
    };
    let configuration = json!({ "rules": [nameless("One"), nameless("Two")] });
    let ids = ["OneStatement1", "OneMine", "OneStatement3", "TwoStatement1", "TwoMine", "TwoStatement3"];
    let statements: Vec<Value> = ids.iter().map(|id| sound(&format!("AutoPolicy{id}"))).collect();
    check(stage(&configuration), &created("team/app"), Scenario::Applied(policy(&statements)));
}

#[test]
fn the_stack_s_own_prefix_begins_every_id() {
    for prefix in ["Team", "abc", "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6", "Auto", "autoPolicy"] {
        let mut expected = workloads_statement();
        expected["Sid"] = json!(format!("{prefix}WorkloadsAllowPull"));
        let stage = stage(&workloads()).env("STATEMENT_PREFIX", prefix);
        check(stage, &created("team/app"), Scenario::Applied(policy(&[expected])));
    }
}

#[test]
fn the_statements_of_another_prefix_are_foreign() {
    let live = policy(&[workloads_statement()]);
    let mut ours = workloads_statement();
    ours["Sid"] = json!("TeamWorkloadsAllowPull");
    let stage =
        Stage::new().configuration(&workloads()).live("team/app", &live.to_string()).env("STATEMENT_PREFIX", "Team");
    let expected = policy(&[workloads_statement(), ours]);
    check(stage, &created("team/app"), Scenario::Applied(expected));
}

#[test]
fn a_prefix_that_is_none_never_writes() {
    let long = "P".repeat(33);
    each(["ab", "1abc", "Auto-Policy", "AutoPolicyTwo", "With Space", &long], |prefix| {
        let mut function = stage(&workloads()).env("STATEMENT_PREFIX", prefix).start();
        let status = function.process.wait_for_exit();
        assert!(!status.success());
        assert!(!function.process.has_started());
        function.process.wait_for_log("STATEMENT_PREFIX");
    });
}

#[test]
fn a_cleared_value_takes_only_our_statements_away() {
    let foreign = sound("Theirs");
    let both = policy(&[foreign.clone(), workloads_statement()]).to_string();
    let ours = policy(&[workloads_statement()]).to_string();
    let theirs = policy(std::slice::from_ref(&foreign));
    let cleared = [" ", "\n", " \t\r\n ", r#"{"rules": []}"#, r#"{"rules": [], "on_existing_policy": "replace"}"#];
    each(cleared, |cleared| {
        let stage = || Stage::new().parameter(cleared);
        check(stage().live("team/app", &both), &created("team/app"), Scenario::Reduced(theirs.clone()));
        check(stage().live("team/app", &ours), &created("team/app"), Scenario::Deleted);
        check(stage().live("team/app", &theirs.to_string()), &created("team/app"), Scenario::Unchanged);
        check(stage().repository("team/app"), &created("team/app"), Scenario::Unchanged);
    });
}

#[test]
fn the_tags_of_a_creation_are_those_of_its_request() {
    let configuration = json!({ "rules": [
        rule("Payments", "111111111111", json!({ "tags": { "team": "pay*" } })),
        rule("Both", "222222222222", json!({ "tags": { "team": "*", "stage": "prod" } })),
    ]});
    let one = || statement("Payments", "111111111111");
    let two = || statement("Both", "222222222222");
    let cases = [
        (vec![("team", "payments")], vec![one()]),
        (vec![("stage", "prod"), ("team", "payments")], vec![one(), two()]),
        (vec![("stage", "prod"), ("team", "search")], vec![two()]),
        (vec![("stage", "prod")], vec![]),
        (vec![("Team", "payments")], vec![]),
        (vec![("team", "Payments")], vec![]),
        (vec![], vec![]),
    ];
    each(cases, |(tags, statements)| {
        let scenario = if statements.is_empty() { Scenario::Unchanged } else { Scenario::Applied(policy(&statements)) };
        // What the repository has by now is of no interest to its creation.
        let stage = stage(&configuration).tagged("team/app", &[("team", "payments")]);
        check(stage, &tagged(created("team/app"), &tags), scenario);
    });
    check(stage(&configuration), &created("team/app"), Scenario::Unchanged);
}

#[test]
fn the_tags_of_a_repository_that_ecr_made_are_asked_for() {
    let configuration = json!({ "rules": [
        rule("Payments", "111111111111", json!({ "tags": { "team": "pay*" } })),
    ]});
    let applied = Scenario::Applied(policy(&[statement("Payments", "111111111111")]));
    let mut function = stage(&configuration).tagged("team/app", &[("team", "payments")]).start();
    function.check(&created_by_ecr("team/app"), Scenario::TagsAreAsked(Box::new(applied)));
    let call = function.calls().into_iter().find(|call| call.operation == ListTagsForResource).unwrap();
    assert_eq!(call.body["resourceArn"], "arn:aws:ecr:eu-west-1:123456789012:repository/team/app");
    assert_eq!(call.region, REGION);

    let unchanged = Scenario::TagsAreAsked(Box::new(Scenario::Unchanged));
    check(stage(&configuration), &created_by_ecr("team/app"), unchanged);
}

#[test]
fn nobody_asks_for_tags_that_no_rule_wants() {
    let applied = Scenario::Applied(policy(&[workloads_statement()]));
    let stage = stage(&workloads()).tagged("team/app", &[("team", "payments")]);
    check(stage, &created_by_ecr("team/app"), applied);
}

#[test]
fn a_mistake_in_the_configuration_writes_nothing_and_is_named() {
    let ou = json!({ "org_paths": ["o-a1b2c3d4e5/*/ou-ab12-cd34ef56/*"] });
    let good = |name: &str| json!({ "name": name, "template": "organization-ou", "with": ou });
    let document = |statement: Value| policy(&[statement]);
    let changed = |key: &str, value: Value| {
        let mut statement = sound("First");
        statement[key] = value;
        policy(&[statement])
    };
    let cases: Vec<(Value, &[&str])> = vec![
        (json!({}), &[]),
        (json!([]), &[]),
        (json!(null), &[]),
        (json!("organization-ou"), &[]),
        (json!(7), &[]),
        // Unknown words, with the nearest valid one.
        (json!({ "rule": [good("A")] }), &["`rule`", "`rules`"]),
        (json!({ "rules": [good("A")], "allow_publik": true }), &["`allow_publik`", "`allow_public`"]),
        (json!({ "templat": "organization-ou", "with": ou }), &["`templat`", "`template`"]),
        (json!({ "template": "organisation-ou", "with": ou }), &["`organisation-ou`", "`organization-ou`"]),
        (
            json!({ "template": "organization-ou", "with": { "org_path": ["o-a1b2c3d4e5/*"] } }),
            &["`org_path`", "`org_paths`"],
        ),
        (
            json!({ "template": "account-list", "with": { "accounts": ["444455556666"], "access": "pull" } }),
            &["`pull`", "`Pull`"],
        ),
        (
            json!({ "rules": [{ "name": "A", "repository": ["x"], "template": "deny-pull" }] }),
            &["`repository`", "`repositories`", "rules/0"],
        ),
        (json!({ "template": "deny-pull", "on_existing_policy": "overwrite" }), &["`overwrite`", "on_existing_policy"]),
        // A pattern of another language, which could never match.
        (
            json!({ "rules": [{ "name": "A", "repositories": ["team/[a-z]*"], "template": "deny-pull" }] }),
            &["`team/[a-z]*`", "rules/0/repositories/0"],
        ),
        // What is missing, or too much.
        (json!({ "rules": [{ "name": "A" }] }), &["template", "policy"]),
        (
            json!({ "rules": [{ "name": "A", "template": "deny-pull", "policy": document(sound("B")) }] }),
            &["template", "policy"],
        ),
        (json!({ "template": "organization-ou" }), &["org_paths"]),
        (json!({ "template": "organization-ou", "with": {} }), &["org_paths"]),
        (
            json!({ "template": "aws-service", "with": { "services": ["codebuild.amazonaws.com"] } }),
            &["source_accounts"],
        ),
        (json!({ "rules": [good("A"), { "template": "deny-pull" }] }), &["name", "rules/1"]),
        (json!({ "rules": [good("A")], "template": "deny-pull" }), &["`template`"]),
        (json!({ "Version": "2012-10-17", "Statement": [sound("A")], "rules": [] }), &["`rules`"]),
        // Names.
        (json!({ "rules": [good("A"), good("A")] }), &["`A`"]),
        (json!({ "rules": [good("a-b")] }), &["`a-b`"]),
        (json!({ "rules": [good("")] }), &["name"]),
        (json!({ "rules": [good("Ä")] }), &["`Ä`"]),
        (json!({ "policy": policy(&[sound("A"), sound("A")]) }), &["AutoPolicyA"]),
        (
            json!({ "rules": [
                { "name": "A", "policy": policy(&[sound("BC")]) },
                { "name": "AB", "policy": policy(&[sound("C")]) }
            ]}),
            &["AutoPolicyABC"],
        ),
        // Empty lists.
        (json!({ "rules": [{ "name": "A", "repositories": [], "template": "deny-pull" }] }), &["repositories"]),
        (json!({ "rules": [{ "name": "A", "except": [], "template": "deny-pull" }] }), &["except"]),
        (json!({ "template": "account-list", "with": { "accounts": [] } }), &["accounts"]),
        (
            json!({ "template": "source-ip", "with": { "allow_cidrs": ["198.51.100.0/24"], "except_cidrs": [] } }),
            &["except_cidrs"],
        ),
        (policy(&[]), &["Statement"]),
        (changed("Action", json!([])), &["Action"]),
        (changed("Principal", json!({ "AWS": [] })), &["Principal"]),
        // Values of the wrong kind.
        (json!({ "rules": "all" }), &["rules"]),
        (json!({ "template": "account-list", "with": { "accounts": [444_455_556_666_u64] } }), &["accounts"]),
        (json!({ "template": "account-list", "with": { "accounts": ["44445555"] } }), &["`44445555`"]),
        (json!({ "template": "deny-pull", "allow_public": "yes" }), &["allow_public"]),
        (json!({ "rules": [{ "name": "A", "tags": ["team"], "template": "deny-pull" }] }), &["tags"]),
        (json!({ "template": "source-ip", "with": { "allow_cidrs": ["54.240.143.0/33"] } }), &["`54.240.143.0/33`"]),
        // Documents that ECR would not have.
        (changed("Resource", json!("*")), &["Resource", "`repositories`"]),
        (changed("NotResource", json!("*")), &["NotResource", "`repositories`"]),
        (changed("Effect", json!("allow")), &["`allow`", "`Allow`"]),
        (changed("Sid", json!("first-one")), &["`first-one`"]),
        (changed("Actions", json!("ecr:BatchGetImage")), &["`Actions`", "`Action`"]),
        (changed("Action", json!("ecr:BatchGetImage${who}")), &["who"]),
        (changed("Principal", json!("arn:aws:iam::444455556666:root")), &["Principal"]),
    ];
    each(cases, |(configuration, words)| {
        let live = policy(&[sound("Theirs"), workloads_statement()]).to_string();
        let stage = Stage::new().configuration(&configuration).live("team/app", &live);
        check(stage, &created("team/app"), fails("ConfigurationInvalid", words));
    });
}

#[test]
fn a_value_that_is_no_json_is_an_error_with_its_place() {
    let cases = [
        ("rules: []", &["line 1"][..]),
        ("{\n  \"rules\": [\n    oops\n  ]\n}", &["line 3"]),
        ("{\"rules\": []", &[]),
        ("{\"rules\": []} and more", &[]),
        ("organization-ou", &[]),
    ];
    each(cases, |(text, words)| {
        let live = policy(&[workloads_statement()]).to_string();
        let stage = Stage::new().parameter(text).live("team/app", &live);
        check(stage, &created("team/app"), fails("ConfigurationInvalid", words));
    });
}

#[test]
fn every_mistake_is_reported_at_once() {
    let configuration = json!({
        "rules": [
            { "name": "One", "template": "organisation-ou", "with": {} },
            { "name": "Two", "template": "account-list", "with": { "account": ["444455556666"] } },
            { "name": "Three", "repositorys": ["*"], "policy": policy(&[{
                let mut statement = sound("First");
                statement["Resource"] = json!("*");
                statement
            }])},
        ],
        "allow_publik": true
    });
    let words = ["organisation-ou", "`account`", "repositorys", "Resource", "allow_publik"];
    check(stage(&configuration), &created("team/app"), fails("ConfigurationInvalid", &words));
}

#[test]
fn a_mistake_in_a_rule_for_other_repositories_is_a_mistake_all_the_same() {
    let configuration = json!({ "rules": [
        rule("One", "111111111111", json!({})),
        { "name": "Two", "repositories": ["other/*"], "template": "organisation" },
    ]});
    check(stage(&configuration), &created("team/app"), fails("ConfigurationInvalid", &["`organisation`"]));
}
