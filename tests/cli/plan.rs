//! `plan`.

use serde_json::{Value, json};

use crate::{
    aws::{Fault, GetRepositoryPolicy},
    stage::{Stage, theirs},
};

session!(shows_each_difference_once, Stage::registry(), "plan rules.json");
session!(prints_json, Stage::registry(), "plan rules.json --output json");
session!(
    reads_the_parameter,
    Stage::registry().parameter("rules.json"),
    "plan --parameter /ecr-autopolicy/configuration --repository team/old"
);
session!(is_for_some_repositories, Stage::registry(), "plan rules.json --repository team/* --repository sandbox/ours");
session!(asks_for_the_one_repository_alone, Stage::registry(), "plan rules.json --repository team/old");
session!(
    tells_by_its_exit_code,
    Stage::registry(),
    "plan rules.json --repository team/same --detailed-exitcode",
    "plan rules.json --repository team/old --detailed-exitcode",
    "plan mistakes.json --detailed-exitcode"
);
session!(
    tells_of_a_failure_rather_than_of_a_change,
    Stage::registry().fault_of("team/old", GetRepositoryPolicy, Fault::Denied),
    "plan rules.json --repository team/* --detailed-exitcode"
);
session!(
    refuses_mistakes_before_it_asks_aws,
    Stage::registry(),
    "plan mistakes.json",
    "plan mistakes.json --output json"
);
session!(says_warnings_and_goes_on, Stage::registry(), "plan full-access.json --repository team/app");
session!(has_nothing_to_do_in_an_empty_registry, Stage::new(), "plan rules.json", "plan rules.json --output json");
session!(
    goes_on_beside_a_name_that_cannot_be_one,
    Stage::registry().repository("Team/Odd"),
    "plan rules.json --repository team/s* --repository Team/*",
    "apply rules.json --yes --repository team/s* --repository Team/*",
    "show --output json --repository Team/*"
);
session!(clears_where_there_are_no_rules, Stage::registry().file("none.json", "{\"rules\": []}\n"), "plan none.json");
session!(
    reads_tags_where_a_rule_asks_for_them,
    Stage::registry(),
    "plan workloads.json --repository team/app --repository sandbox/ours"
);
session!(knows_another_prefix, Stage::registry(), "plan rules.json --repository team/old --prefix Other");
session!(
    leaves_foreign_policies_alone_on_request,
    Stage::registry().file("skip.json", &with_mode("skip")),
    "plan skip.json",
    "plan skip.json --output json --repository team/function"
);
session!(
    takes_their_place_on_request,
    Stage::registry().file("replace.json", &with_mode("replace")),
    "plan replace.json --repository team/function"
);
session!(
    says_what_cannot_be_written,
    Stage::registry().live("team/full", &many_partners()).live("team/web", &[theirs()]),
    "plan rules.json --repository team/*",
    "plan rules.json --repository team/* --output json",
);
session!(says_what_cannot_be_read, unreadable(), "plan rules.json");
session!(
    counts_what_is_gone_meanwhile,
    Stage::registry().fault_of("team/web", GetRepositoryPolicy, Fault::RepositoryVanishes),
    "plan rules.json --repository team/*",
);

fn with_mode(mode: &str) -> String {
    let rules = std::fs::read_to_string(crate::stage::examples().join("rules.json")).unwrap();
    let mut rules: Value = serde_json::from_str(&rules).unwrap();
    rules["on_existing_policy"] = json!(mode);
    rules.to_string()
}

/// As much as a policy may hold.
fn many_partners() -> Vec<Value> {
    let partner = |number| {
        json!({
            "Sid": format!("Partner{number}"), "Effect": "Allow", "Principal": { "AWS": "777788889999" },
            "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        })
    };
    (0..66).map(partner).collect()
}

fn unreadable() -> Stage {
    let stage = Stage::new().repository("team/app");
    stage.aws().set_repository(crate::aws::REGION, "team/odd", Some("not JSON at all"));
    stage
}

/// Three pages, in whatever order they come.
#[test]
fn is_in_the_order_of_names_however_many_there_are() {
    let stage = Stage::new().repositories(2_500);
    let ran = stage.run("plan rules.json --output json");
    let plan = ran.json();
    let names = plan["repositories"].as_array().unwrap().iter().map(|it| it["repository"].as_str().unwrap());
    let expected = (0..2_500).map(|number| format!("arn:aws:ecr:eu-west-1:123456789012:repository/many/r{number:04}"));
    assert!(names.eq(expected), "another order");
    assert_eq!(plan["summary"]["applied"], 2_500);
    let pages = ran.calls.iter().filter(|call| call.operation == crate::aws::DescribeRepositories);
    assert_eq!(pages.count(), 3);
    let ran = stage.run("plan rules.json --repository many/r00*");
    snapshot!(ran.told());
}
