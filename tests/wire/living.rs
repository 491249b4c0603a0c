//! Repositories that have a policy already: what is kept, what goes, what is left alone.

use serde_json::{Value, json};

use crate::aws::{LIMIT, SetRepositoryPolicy, as_ecr_answers};
use crate::creation::{workloads, workloads_statement};
use crate::document::{actions, policy};
use crate::event::{created, created_by_ecr};
use crate::scenario::{Scenario, check, each, fails};
use crate::stage::Stage;

fn stage(configuration: &Value, live: &str) -> Stage {
    Stage::new().configuration(configuration).live("team/app", live)
}

/// The configuration with another way to deal with foreign statements.
pub(crate) fn with_mode(mut configuration: Value, mode: &str) -> Value {
    configuration["on_existing_policy"] = json!(mode);
    configuration
}

/// The configuration, for other repositories.
pub(crate) fn no_rule_matches() -> Value {
    let mut configuration = workloads();
    configuration["rules"][0]["repositories"] = json!(["elsewhere/*"]);
    configuration
}

/// The statement that Lambda adds where it runs an image.
fn lambda_s_own() -> Value {
    json!({
        "Sid": "LambdaECRImageRetrievalPolicy",
        "Effect": "Allow",
        "Principal": { "Service": "lambda.amazonaws.com" },
        "Action": [
            "ecr:BatchGetImage", "ecr:DeleteRepositoryPolicy", "ecr:GetDownloadUrlForLayer",
            "ecr:GetRepositoryPolicy", "ecr:SetRepositoryPolicy"
        ],
        "Condition": { "StringLike": {
            "aws:sourceArn": "arn:aws:lambda:eu-west-1:123456789012:function:*"
        }}
    })
}

/// A statement of somebody else.
pub(crate) fn theirs(sid: &str) -> Value {
    json!({
        "Sid": sid,
        "Effect": "Allow",
        "Principal": { "AWS": "arn:aws:iam::777788889999:root" },
        "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    })
}

/// A statement of ours that says something else by now.
pub(crate) fn old(sid: &str) -> Value {
    let mut statement = workloads_statement();
    statement["Sid"] = json!(sid);
    statement["Condition"]["ForAnyValue:StringLike"]["aws:PrincipalOrgPaths"] = json!("o-0000000000/*");
    statement
}

#[test]
fn merge_keeps_foreign_statements_beside_ours() {
    let live = policy(&[theirs("First"), lambda_s_own()]);
    let expected = policy(&[theirs("First"), lambda_s_own(), workloads_statement()]);
    for configuration in [workloads(), with_mode(workloads(), "merge")] {
        for event in [created("team/app"), created_by_ecr("team/app")] {
            let stage = stage(&configuration, &live.to_string());
            check(stage, &event, Scenario::Applied(expected.clone()));
        }
    }
}

#[test]
fn skip_leaves_a_policy_with_foreign_statements_wholly_alone() {
    let skip = with_mode(workloads(), "skip");
    for live in [
        policy(&[theirs("First")]),
        policy(&[lambda_s_own()]),
        policy(&[theirs("First"), workloads_statement()]),
        policy(&[theirs("First"), old("AutoPolicyGoneAllowPull")]),
    ] {
        check(stage(&skip, &live.to_string()), &created("team/app"), Scenario::Skipped);
    }
}

#[test]
fn skip_is_about_foreign_statements_only() {
    let skip = with_mode(workloads(), "skip");
    let applied = || Scenario::Applied(policy(&[workloads_statement()]));
    let live = policy(&[old("AutoPolicyWorkloadsAllowPull"), old("AutoPolicyGoneAllowPull")]);
    check(stage(&skip, &live.to_string()), &created("team/app"), applied());
    let stage = Stage::new().configuration(&skip).repository("team/app");
    check(stage, &created("team/app"), applied());
}

#[test]
fn replace_writes_ours_only() {
    let replace = with_mode(workloads(), "replace");
    let mut live = policy(&[theirs("First"), old("AutoPolicyGoneAllowPull"), workloads_statement()]);
    let expected = policy(&[workloads_statement()]);
    check(stage(&replace, &live.to_string()), &created("team/app"), Scenario::Applied(expected.clone()));
    live["Version"] = json!("2008-10-17");
    check(stage(&replace, &live.to_string()), &created("team/app"), Scenario::Applied(expected));
}

#[test]
fn where_no_rule_matches_every_mode_takes_only_ours_away() {
    let both = policy(&[theirs("First"), workloads_statement(), lambda_s_own(), old("AutoPolicyX")]);
    let reduced = policy(&[theirs("First"), lambda_s_own()]);
    let ours = policy(&[workloads_statement(), old("AutoPolicyX")]);
    each(["merge", "skip", "replace"], |mode| {
        let configuration = with_mode(no_rule_matches(), mode);
        let event = created("team/app");
        check(stage(&configuration, &both.to_string()), &event, Scenario::Reduced(reduced.clone()));
        check(stage(&configuration, &ours.to_string()), &event, Scenario::Deleted);
        check(stage(&configuration, &reduced.to_string()), &event, Scenario::Unchanged);
    });
}

#[test]
fn a_removed_rule_takes_only_its_own_statements_with_it() {
    let rule = |name: &str| {
        json!({ "name": name, "template": "organization-ou", "with": {
            "org_paths": ["o-a1b2c3d4e5/*/ou-ab12-cd34ef56/*"]
        }})
    };
    let ours = |name: &str| {
        let mut statement = workloads_statement();
        statement["Sid"] = json!(format!("AutoPolicy{name}AllowPull"));
        statement
    };
    let mut function =
        stage(&json!({ "rules": [rule("One"), rule("Two"), rule("Three")] }), &policy(&[theirs("First")]).to_string())
            .start();
    let all = policy(&[theirs("First"), ours("One"), ours("Two"), ours("Three")]);
    function.check(&created("team/app"), Scenario::Applied(all));

    function.aws.set_parameter(&json!({ "rules": [rule("One"), rule("Three")] }).to_string(), false);
    let two = policy(&[theirs("First"), ours("One"), ours("Three")]);
    function.check(&created("team/app"), Scenario::Applied(two));
    function.check(&created("team/app"), Scenario::Unchanged);

    function.aws.set_parameter(" ", false);
    function.check(&created("team/app"), Scenario::Reduced(policy(&[theirs("First")])));
    function.check(&created("team/app"), Scenario::Unchanged);
}

#[test]
fn a_statement_of_ours_that_somebody_changed_is_put_right() {
    let mut changed = workloads_statement();
    changed["Action"] = json!("ecr:*");
    let live = policy(&[theirs("First"), changed]);
    let expected = policy(&[theirs("First"), workloads_statement()]);
    check(stage(&workloads(), &live.to_string()), &created("team/app"), Scenario::Applied(expected));
}

/// A configuration whose statements have everything in them that ECR reformats.
fn rich() -> Value {
    policy(&[
        json!({
            "Sid": "Accounts",
            "Effect": "Allow",
            "Principal": { "AWS": ["444455556666", "arn:aws:iam::111122223333:root"] },
            "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        }),
        json!({
            "Sid": "Single",
            "Effect": "Allow",
            "Principal": { "AWS": ["444455556666"] },
            "Action": ["ecr:BatchGetImage"],
            "Condition": { "StringEquals": { "aws:PrincipalOrgID": ["o-a1b2c3d4e5"] } }
        }),
        json!({
            "Sid": "Paths",
            "Effect": "Allow",
            "Principal": "*",
            "Action": "ecr:ListImages",
            "Condition": {
                "ForAnyValue:StringLike": {
                    "aws:PrincipalOrgPaths": ["o-a1b2c3d4e5/*/ou-1/*", "o-a1b2c3d4e5/*/ou-2/*"]
                },
                "StringEquals": { "aws:RequestedRegion": "eu-west-1" }
            }
        }),
    ])
}

/// What the function writes for it, and ECR then answers.
fn rich_written() -> Value {
    let mut document = rich();
    for statement in document["Statement"].as_array_mut().unwrap() {
        statement["Sid"] = json!(format!("AutoPolicy{}", statement["Sid"].as_str().unwrap()));
    }
    document
}

#[test]
fn a_live_policy_that_means_the_same_is_not_written_again() {
    let written = rich_written();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut document = rich_written();
        change(&mut document);
        document.to_string()
    };
    let statement = |place: usize| format!("/Statement/{place}");
    let set = move |document: &mut Value, place: usize, key: &str, value: Value| {
        document.pointer_mut(&statement(place)).unwrap()[key] = value;
    };
    let cases: Vec<(&str, String)> = vec![
        ("as it was written", written.to_string()),
        ("as ECR answers it", as_ecr_answers(&written.to_string(), "aws")),
        ("pretty-printed", format!("{written:#}")),
        ("with CRLF", format!("{written:#}").replace('\n', "\r\n")),
        (
            "the statements in another order",
            changed(&|document| {
                document["Statement"].as_array_mut().unwrap().reverse();
            }),
        ),
        ("the members in another order", changed(&|document| document.sort_all_objects())),
        (
            "the actions in another order",
            changed(&|document| {
                set(document, 0, "Action", json!(["ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"]));
            }),
        ),
        (
            "an action twice",
            changed(&|document| {
                set(
                    document,
                    0,
                    "Action",
                    json!(["ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage", "ecr:BatchGetImage"]),
                );
            }),
        ),
        (
            "the actions in another case",
            changed(&|document| {
                set(document, 0, "Action", json!(["ECR:batchgetimage", "ecr:GETDOWNLOADURLFORLAYER"]));
            }),
        ),
        (
            "the principals in another order",
            changed(&|document| {
                set(document, 0, "Principal", json!({ "AWS": ["111122223333", "arn:aws:iam::444455556666:root"] }));
            }),
        ),
        (
            "an action as a string",
            changed(&|document| {
                set(document, 1, "Action", json!("ecr:BatchGetImage"));
            }),
        ),
        (
            "an action as a list",
            changed(&|document| {
                set(document, 2, "Action", json!(["ecr:ListImages"]));
            }),
        ),
        (
            "an account's root",
            changed(&|document| {
                set(document, 1, "Principal", json!({ "AWS": "arn:aws:iam::444455556666:root" }));
            }),
        ),
        (
            "a condition's value as a string",
            changed(&|document| {
                set(document, 1, "Condition", json!({ "StringEquals": { "aws:PrincipalOrgID": "o-a1b2c3d4e5" } }));
            }),
        ),
        (
            "conditions in another order",
            changed(&|document| {
                set(
                    document,
                    2,
                    "Condition",
                    json!({
                        "StringEquals": { "aws:RequestedRegion": ["eu-west-1"] },
                        "ForAnyValue:StringLike": {
                            "aws:PrincipalOrgPaths": ["o-a1b2c3d4e5/*/ou-2/*", "o-a1b2c3d4e5/*/ou-1/*"]
                        }
                    }),
                );
            }),
        ),
        ("an older Version", changed(&|document| document["Version"] = json!("2008-10-17"))),
        (
            "no Version",
            changed(&|document| {
                document.as_object_mut().unwrap().shift_remove("Version");
            }),
        ),
        ("with an Id", changed(&|document| document["Id"] = json!("theirs"))),
    ];
    each(cases, |(_, live)| {
        check(stage(&rich(), &live), &created("team/app"), Scenario::Unchanged);
    });
}

#[test]
fn foreign_statements_beside_ours_do_not_make_a_difference() {
    let mut live = rich_written();
    live["Statement"].as_array_mut().unwrap().insert(1, theirs("First"));
    live["Statement"].as_array_mut().unwrap().push(lambda_s_own());
    check(stage(&rich(), &live.to_string()), &created("team/app"), Scenario::Unchanged);
}

#[test]
fn a_live_policy_that_means_something_else_is_written() {
    let changes: [(&str, &str, Value); 9] = [
        ("one action less", "/Statement/0/Action", json!(["ecr:BatchGetImage"])),
        ("one action more", "/Statement/1/Action", json!(["ecr:BatchGetImage", "ecr:PutImage"])),
        ("another account", "/Statement/1/Principal/AWS", json!("444455556667")),
        ("a role of the account", "/Statement/1/Principal/AWS", json!("arn:aws:iam::444455556666:role/root")),
        ("another effect", "/Statement/0/Effect", json!("Deny")),
        ("another value", "/Statement/1/Condition/StringEquals/aws:PrincipalOrgID", json!("o-A1b2c3d4e5")),
        (
            "one value less",
            "/Statement/2/Condition/ForAnyValue:StringLike/aws:PrincipalOrgPaths",
            json!("o-a1b2c3d4e5/*/ou-1/*"),
        ),
        (
            "another operator",
            "/Statement/1/Condition",
            json!({ "StringLike": { "aws:PrincipalOrgID": "o-a1b2c3d4e5" } }),
        ),
        ("another Sid's case", "/Statement/0/Sid", json!("AutoPolicyaccounts")),
    ];
    each(changes, |(_, pointer, value)| {
        let mut live = rich_written();
        *live.pointer_mut(pointer).unwrap() = value;
        check(stage(&rich(), &live.to_string()), &created("team/app"), Scenario::Applied(rich_written()));
    });
}

#[test]
fn a_foreign_statement_stays_value_for_value_what_it_was() {
    // Members in a strange order, two statements with one Sid, one without, numbers of every kind.
    let live = r#"{
      "Version" : "2012-10-17",
      "Statement" : [ {
        "Action" : [ "ecr:putimage", "ECR:BatchGetImage", "ecr:putimage" ],
        "Principal" : { "Service" : [ "b.amazonaws.com", "a.amazonaws.com" ], "AWS" : "arn:aws:iam::777788889999:root" },
        "Effect" : "Allow",
        "Sid" : "Twice"
      }, {
        "Sid" : "Twice",
        "Effect" : "Deny",
        "NotPrincipal" : { "AWS" : [ "arn:aws:iam::777788889999:root" ] },
        "NotAction" : [ "ecr:*" ],
        "Condition" : {
          "NumericLessThan" : { "aws:MultiFactorAuthAge" : 3600, "x:big" : 12345678901234567890123, "x:real" : 1.50, "x:exp" : 1e2 },
          "Bool" : { "aws:SecureTransport" : [ true ] },
          "StringLike" : { "aws:PrincipalTag/name" : "Zo\u00eb \"x\" \\ /" }
        }
      }, {
        "Effect" : "Allow",
        "Principal" : "*",
        "Action" : "ecr:DescribeImages",
        "Condition" : { "StringEquals" : { "aws:PrincipalOrgID" : "o-zzzzzzzzzz" } }
      }, {
        "Sid" : "autopolicyIsNotOurs",
        "Effect" : "Allow",
        "Principal" : { "AWS" : "arn:aws:iam::777788889999:root" },
        "Action" : "ecr:DescribeImages"
      } ]
    }"#;
    let mut expected: Value = serde_json::from_str(live).unwrap();
    expected["Statement"].as_array_mut().unwrap().push(workloads_statement());
    let mut function = stage(&workloads(), live).start();
    function.check(&created("team/app"), Scenario::Applied(expected.clone()));
    for number in ["3600", "12345678901234567890123", "1.50", "e"] {
        assert!(function.sent_policy().contains(number), "{number} in {}", function.sent_policy());
    }
    // What ECR makes of it means the same again.
    function.check(&created("team/app"), Scenario::Unchanged);

    // Taking ours away leaves exactly theirs.
    let mut live = expected;
    live["Statement"].as_array_mut().unwrap().swap(0, 4);
    let mut expected = live.clone();
    expected["Statement"].as_array_mut().unwrap().remove(0);
    check(stage(&no_rule_matches(), &live.to_string()), &created("team/app"), Scenario::Reduced(expected));
}

#[test]
fn a_single_statement_that_is_no_list_is_understood() {
    let live = json!({ "Version": "2012-10-17", "Statement": theirs("First") });
    let expected = policy(&[theirs("First"), workloads_statement()]);
    check(stage(&workloads(), &live.to_string()), &created("team/app"), Scenario::Applied(expected));

    let live = json!({ "Version": "2012-10-17", "Statement": workloads_statement() });
    check(stage(&workloads(), &live.to_string()), &created("team/app"), Scenario::Unchanged);
}

#[test]
fn a_merged_policy_keeps_its_id() {
    let mut live = policy(&[theirs("First")]);
    live["Id"] = json!("TheirPolicy-7");
    let mut expected = policy(&[theirs("First"), workloads_statement()]);
    expected["Id"] = json!("TheirPolicy-7");
    let mut function = stage(&workloads(), &live.to_string()).start();
    function.check(&created("team/app"), Scenario::Applied(expected));
    function.aws.set_parameter(" ", false);
    function.check(&created("team/app"), Scenario::Reduced(live));
}

#[test]
fn a_merged_policy_is_of_the_newer_version_unless_that_changes_what_a_foreign_statement_means() {
    let mut variable = theirs("First");
    variable["Condition"] = json!({ "StringEquals": { "aws:PrincipalTag/team": "${aws:username}" } });
    let cases = [
        ("2008-10-17", theirs("First"), "2012-10-17"),
        ("2012-10-17", theirs("First"), "2012-10-17"),
        ("2012-10-17", variable.clone(), "2012-10-17"),
        ("2008-10-17", variable, "2008-10-17"),
    ];
    each(cases, |(before, foreign, after)| {
        let live = json!({ "Version": before, "Statement": [foreign] });
        let expected = json!({ "Version": after, "Statement": [foreign, workloads_statement()] });
        check(stage(&workloads(), &live.to_string()), &created("team/app"), Scenario::Applied(expected));
    });
}

#[test]
fn an_older_version_is_another_meaning_where_a_statement_has_a_variable() {
    let mut own = theirs("Own");
    own["Condition"] = json!({ "StringLike": { "aws:PrincipalTag/team": "${aws:PrincipalTag/unit}" } });
    let mut written = own.clone();
    written["Sid"] = json!("AutoPolicyOwn");
    let live = json!({ "Version": "2008-10-17", "Statement": [written] });
    let expected = Scenario::Applied(policy(&[written]));
    check(stage(&policy(&[own]), &live.to_string()), &created("team/app"), expected);
}

#[test]
fn two_versions_that_both_must_be_are_refused_with_the_statements_and_the_remedy() {
    // Under the older Version their `${` is plain text, under the newer one ours is a variable.
    let mut foreign = theirs("First");
    foreign["Condition"] = json!({ "StringEquals": { "aws:PrincipalTag/team": "${aws:username}" } });
    let mut own = theirs("Own");
    own["Condition"] = json!({ "StringLike": { "aws:PrincipalTag/team": "${aws:PrincipalTag/unit}" } });
    let live = json!({ "Version": "2008-10-17", "Statement": [foreign] });
    let words = ["`First`", "`AutoPolicyOwn`", "2008-10-17", "2012-10-17"];
    check(stage(&policy(&[own]), &live.to_string()), &created("team/app"), fails("PolicyRejected", &words));
}

/// A foreign statement as long as it takes.
fn padded(character: char, length: usize) -> Value {
    let mut statement = theirs("Long");
    let padding: String = std::iter::repeat_n(character, length).collect();
    statement["Condition"] = json!({ "StringEquals": { "aws:PrincipalTag/padding": padding } });
    statement
}

#[test]
fn a_policy_of_exactly_the_limit_is_written_and_one_character_more_is_not() {
    for character in ['x', 'é'] {
        let live = |length: usize| policy(&[padded(character, length)]);
        let both = |length: usize| policy(&[padded(character, length), workloads_statement()]);

        let mut function = stage(&workloads(), &live(0).to_string()).start();
        function.check(&created("team/app"), Scenario::Applied(both(0)));
        let room = LIMIT - function.sent_policy().chars().count();

        let mut function = stage(&workloads(), &live(room).to_string()).start();
        function.check(&created("team/app"), Scenario::Applied(both(room)));
        assert_eq!(function.sent_policy().chars().count(), LIMIT);

        let words = ["10240", "10241"];
        let stage = stage(&workloads(), &live(room + 1).to_string());
        let mut function = stage.start();
        let message = function.check(&created("team/app"), Scenario::FailsUnwritten("PolicyTooLarge", vec![]));
        let digits: String = message.as_str().unwrap().chars().filter(|c| *c != ',' && *c != '_').collect();
        for word in words {
            assert!(digits.contains(word), "no `{word}` in the message: {message}");
        }
    }
}

/// That many account ids.
fn accounts(count: u64) -> Vec<String> {
    (0..count).map(|number| (100_000_000_000 + number).to_string()).collect()
}

#[test]
fn rules_that_add_up_to_more_than_the_limit_for_one_repository_are_not_sent_to_it() {
    let rule = |number: u64| {
        json!({
            "name": format!("Rule{number}"),
            "repositories": [if number.is_multiple_of(2) { "team/*" } else { "*/app" }],
            "template": "account-list",
            "with": { "accounts": [(100_000_000_000 + number).to_string()], "access": "Read" }
        })
    };
    let rules: Vec<Value> = (0..30).map(rule).collect();
    let stage = Stage::new().configuration(&json!({ "rules": rules }));
    let mut function = stage.repository("team/app").repository("team/web").start();
    let arn = "arn:aws:ecr:eu-west-1:123456789012:repository/team/app";
    function.check(&created("team/app"), fails("PolicyTooLarge", &[arn]));
    // Half of the rules alone fit.
    let response = function.invoke(&created("team/web")).response();
    assert_eq!(response["outcomes"][0]["outcome"], "applied");
    assert_eq!(response["outcomes"][0]["rules"].as_array().unwrap().len(), 15);
}

#[test]
fn one_rule_that_is_more_than_the_limit_by_itself_is_never_sent() {
    let configuration = json!({ "template": "lambda-service", "with": { "accounts": accounts(400) } });
    let mut function = Stage::new().configuration(&configuration).repository("team/app").start();
    function.check(&created("team/app"), fails("PolicyTooLarge", &["10240"]));
    assert_eq!(function.count(SetRepositoryPolicy), 0);
}

#[test]
fn five_hundred_accounts_fit() {
    let listed = accounts(500);
    let configuration = json!({ "template": "account-list", "with": { "accounts": listed } });
    let mut function = Stage::new().configuration(&configuration).repository("team/app").start();
    let mut all = vec!["123456789012".to_owned()];
    all.extend(listed);
    let expected = policy(&[json!({
        "Sid": "AutoPolicyAllowPull",
        "Effect": "Allow",
        "Principal": "*",
        "Action": actions("Pull"),
        "Condition": { "StringEquals": { "aws:PrincipalAccount": all } }
    })]);
    function.check(&created("team/app"), Scenario::Applied(expected));
    function.check(&created("team/app"), Scenario::Unchanged);
}
