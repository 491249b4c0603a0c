//! `apply`.

use crate::{
    aws::{DeleteRepositoryPolicy, Fault, GetRepositoryPolicy, SetRepositoryPolicy},
    stage::Stage,
};

session!(
    makes_it_so_and_a_second_time_changes_nothing,
    Stage::registry(),
    "apply rules.json --yes",
    "apply rules.json --yes",
    "plan rules.json --detailed-exitcode",
    "show"
);
session!(prints_json, Stage::registry(), "apply rules.json --yes --output json");
session!(
    reads_the_parameter,
    Stage::registry().parameter("rules.json"),
    "apply --parameter /ecr-autopolicy/configuration --repository team/old --yes"
);
session!(
    needs_consent_where_nobody_can_be_asked,
    Stage::registry(),
    "apply rules.json",
    "apply rules.json --output json"
);
session!(refuses_mistakes_before_it_asks_aws, Stage::registry(), "apply mistakes.json --yes");
session!(needs_something_to_apply, Stage::registry(), "apply --yes");
session!(
    goes_on_past_a_repository_that_fails,
    Stage::registry()
        .fault_of("team/app", SetRepositoryPolicy, Fault::Denied)
        .fault_of("team/old", SetRepositoryPolicy, REFUSAL)
        .fault_of("sandbox/ours", DeleteRepositoryPolicy, Fault::Denied),
    "apply rules.json --yes",
    "show",
);
session!(
    tells_of_failures_as_json,
    Stage::registry().fault_of("team/app", SetRepositoryPolicy, Fault::Denied),
    "apply rules.json --yes --repository team/* --output json",
);
session!(
    counts_what_is_gone_meanwhile,
    Stage::registry().fault_of("team/app", GetRepositoryPolicy, Fault::RepositoryVanishes).fault_of(
        "team/web",
        SetRepositoryPolicy,
        Fault::RepositoryVanishes
    ),
    "apply rules.json --yes",
    "apply rules.json --yes",
);

const REFUSAL: Fault = Fault::Refused(
    "InvalidParameterException",
    "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Principal not found'",
);

/// What a plan shows, the very documents, is what is then written.
#[test]
fn writes_what_plan_shows() {
    for configuration in ["rules.json", "workloads.json", "full-access.json"] {
        let stage = Stage::registry();
        let plan = stage.run(&format!("plan {configuration} --output json"));
        assert_eq!(plan.written().len(), 0);
        let shown = plan.json();
        let planned = shown["repositories"].as_array().unwrap().iter().map(|entry| {
            let name = entry["repository"].as_str().unwrap().split_once(":repository/").unwrap().1.to_owned();
            (name, entry["after"].clone())
        });
        let planned = planned.collect::<std::collections::BTreeMap<_, _>>();
        assert!(planned.len() > 3, "{planned:?}");
        let applied = stage.run(&format!("apply {configuration} --yes --output json"));
        assert_eq!(applied.written(), planned);
        assert_eq!(applied.json(), shown, "apply tells of something else than plan did");
    }
}

#[test]
fn reads_again_only_what_was_merged_with_foreign_statements() {
    let stage = Stage::registry();
    let ran = stage.run("apply rules.json --yes");
    let reads = ran.calls.iter().filter(|call| call.operation == GetRepositoryPolicy).count();
    assert_eq!(reads, 9 + 2);
    assert_eq!(ran.calls.len(), 1 + reads + ran.written().len());
}
