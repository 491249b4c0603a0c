//! `handle`.

use crate::{
    aws::{Fault, GetRepositoryPolicy, SetRepositoryPolicy},
    stage::Stage,
};

fn stage() -> Stage {
    Stage::registry().parameter("rules.json").env("POLICY_PARAMETER", "/ecr-autopolicy/configuration")
}

session!(
    does_what_the_function_would_do,
    stage(),
    "handle created.json",
    "handle created.json",
    "show --repository team/app"
);
session!(prints_json, stage(), "handle created.json --output json");
session!(
    takes_the_parameter_s_name,
    stage().without_env("POLICY_PARAMETER"),
    "handle created.json --parameter /ecr-autopolicy/configuration",
    "handle created.json"
);
session!(says_why_it_ignores_an_event, stage(), "handle refused.json", "handle refused.json --output json");
session!(
    says_that_a_repository_is_gone,
    stage().fault_of("team/app", GetRepositoryPolicy, Fault::RepositoryVanishes),
    "handle created.json"
);
session!(
    says_what_it_leaves_alone,
    stage()
        .file("rules.json", "{}")
        .live("team/app", &[crate::stage::theirs()])
        .file("skip.json", SKIP)
        .parameter("skip.json"),
    "handle created.json"
);
session!(
    fails_as_the_function_would,
    stage().fault(SetRepositoryPolicy, Fault::Denied),
    "handle created.json",
    "handle created.json --output json"
);
session!(fails_by_a_configuration_with_mistakes, stage().parameter("mistakes.json"), "handle created.json");
session!(
    fails_without_a_configuration,
    Stage::registry(),
    "handle created.json --parameter /ecr-autopolicy/configuration"
);
session!(
    refuses_what_is_no_event,
    stage()
        .file("text.json", "not JSON")
        .file("other.json", r#"{"account": "123456789012"}"#)
        .file("empty.json", r#"{"detail-type": "AWS API Call via CloudTrail"}"#)
        .file("odd.json", r#"{"detail-type": "AWS API Call via CloudTrail", "detail": "CreateRepository"}"#),
    "handle text.json",
    "handle rules.json",
    "handle other.json",
    "handle empty.json",
    "handle odd.json",
    "handle none.json"
);
session!(ignores_another_account_s_event, stage(), "handle created.json --registry-id 444455556666");

const SKIP: &str =
    r#"{ "template": "organization", "with": { "org_ids": ["o-a1b2c3d4e5"] }, "on_existing_policy": "skip" }"#;

#[test]
fn is_throttled_until_its_time_is_up() {
    let stage = stage().fault(SetRepositoryPolicy, Fault::Throttle);
    snapshot!(stage.run("handle created.json --timeout 1").told_without_calls());
}

#[test]
fn reads_the_event_from_the_standard_input() {
    let event = std::fs::read_to_string(crate::stage::examples().join("created.json")).unwrap();
    let ran = stage().run_with("handle -", &event);
    assert_eq!((ran.end.as_str(), ran.written().len()), ("exit 0", 1), "{}", ran.told());
}
