//! `apply --plan`.

use std::fs;

use crate::{
    aws::{Fault, GetRepositoryPolicy, REGION, SetRepositoryPolicy},
    stage::{Stage, theirs},
};

session!(
    does_what_was_planned_and_a_second_time_changes_nothing,
    Stage::registry(),
    "plan rules.json --save today.plan --detailed-exitcode",
    "apply --plan today.plan --yes",
    "apply --plan today.plan --yes",
    "plan rules.json --detailed-exitcode",
);
session!(
    prints_json,
    Stage::registry(),
    "plan rules.json --save today.plan --repository sandbox/* --output json",
    "apply --plan today.plan --yes --output json",
);
session!(
    has_nothing_to_do,
    Stage::registry(),
    "plan rules.json --save today.plan --repository team/same",
    "apply --plan today.plan --yes",
);
session!(
    needs_consent_where_nobody_can_be_asked,
    Stage::registry(),
    "plan rules.json --save today.plan --repository team/old",
    "apply --plan today.plan",
);
session!(
    has_a_region_of_its_own,
    Stage::registry().env("AWS_REGION", "us-east-1"),
    "plan rules.json --save today.plan --repository team/old --region eu-west-1",
    "apply --plan today.plan --yes --region us-east-1",
    "apply --plan today.plan --yes",
);
session!(
    counts_what_is_gone_meanwhile_and_what_fails,
    Stage::registry().fault_of("team/app", SetRepositoryPolicy, Fault::RepositoryVanishes).fault_of(
        "team/old",
        SetRepositoryPolicy,
        Fault::Denied
    ),
    "plan rules.json --save today.plan --repository team/*",
    "apply --plan today.plan --yes",
);
session!(
    has_no_part_of_what_could_not_be_planned,
    Stage::registry().fault_of("team/old", GetRepositoryPolicy, Fault::Denied),
    "plan rules.json --save today.plan --repository team/*",
    "apply --plan today.plan --yes",
);
session!(
    takes_no_other_source,
    Stage::new(),
    "apply rules.json --plan today.plan --yes",
    "apply --plan today.plan --repository team/* --yes"
);
session!(
    needs_a_file_to_read_and_one_to_write,
    Stage::registry(),
    "apply --plan none.plan --yes",
    "plan rules.json --save none/today.plan"
);
session!(
    takes_a_plan_alone,
    Stage::registry().file("empty.plan", "").file("other.plan", OTHER_FORMAT),
    "apply --plan rules.json --yes",
    "apply --plan empty.plan --yes",
    "apply --plan other.plan --yes",
);

const OTHER_FORMAT: &str = concat!(
    r#"{"ecr_autopolicy_plan":2,"registry_id":"123456789012","region":"eu-west-1","prefix":"AutoPolicy","allow_public":false}"#,
    "\n",
    r#"{"changes":0}"#,
    "\n"
);

/// A plan for some repositories of `Stage::registry`, in `today.plan`.
fn planned() -> Stage {
    let stage = Stage::registry();
    assert_eq!(stage.run("plan rules.json --save today.plan --repository team/*").end, "exit 0");
    stage
}

/// What is left of the plan after somebody had it in an editor.
#[track_caller]
fn edited(edit: impl FnOnce(String) -> String) -> Stage {
    let stage = planned();
    let before = fs::read_to_string(stage.path("today.plan")).unwrap();
    let after = edit(before.clone());
    assert_ne!(after, before);
    stage.file("today.plan", &after)
}

#[test]
fn the_file_is_readable_and_names_no_credentials() {
    let stage = planned();
    let text = fs::read_to_string(stage.path("today.plan")).unwrap();
    stage.check_secrets(&text);
    snapshot!(text);
}

#[test]
fn refuses_a_repository_whose_policy_has_changed_since() {
    let stage = planned();
    stage.set_policy("team/app", &[theirs()]);
    stage.aws().set_repository(REGION, "team/old", None);
    stage.aws().delete_repository(REGION, "team/web");
    let told = ["apply --plan today.plan --yes", "apply --plan today.plan --yes --output json", "show"]
        .map(|arguments| stage.run(arguments).told());
    snapshot!(told.join("\n"));
}

#[test]
fn refuses_a_plan_that_was_cut_off() {
    let stage = planned();
    let text = fs::read_to_string(stage.path("today.plan")).unwrap();
    let ends = text.match_indices('\n').map(|(place, _)| place + 1).collect::<Vec<_>>();
    for end in ends.iter().rev().skip(1).chain([&10, &(text.len() - 3), &(text.len() - 40)]) {
        fs::write(stage.path("today.plan"), &text[..*end]).unwrap();
        let ran = stage.run("apply --plan today.plan --yes");
        assert!(ran.end == "exit 1" && ran.calls.is_empty(), "{end} of {}: {}", text.len(), ran.told());
    }
    fs::write(stage.path("today.plan"), &text[..text.len() - 14]).unwrap();
    snapshot!(stage.run("apply --plan today.plan --yes").told());
}

/// A plan with a line that must not be carried out is refused as a whole, wherever in it the line stands.
#[track_caller]
fn check_refused(edit: impl FnOnce(String) -> String) {
    let stage = edited(edit);
    let ran = stage.run("apply --plan today.plan --yes");
    assert!(ran.end == "exit 1" && ran.written().is_empty(), "it wrote something:\n{}", ran.told());
}

/// The plan with the condition of its last statement taken out.
fn without_the_last_condition(plan: &str) -> String {
    let start = plan.rfind(r#","Condition":"#).unwrap();
    let end = start + plan[start..].find("}}}").unwrap() + 2;
    format!("{}{}", &plan[..start], &plan[end..])
}

#[test]
fn refuses_a_plan_that_was_edited_to_let_everyone_in() {
    let stage = edited(|plan| plan.replacen("Condition", "Conditions", 1));
    snapshot!(stage.run("apply --plan today.plan --yes").told());
    check_refused(|plan| plan.replacen("Condition", "Conditions", 1));
    check_refused(|plan| without_the_last_condition(&plan));
}

/// We write no foreign statement, other than those that are there.
#[test]
fn refuses_a_plan_that_was_edited_to_let_everyone_in_by_a_statement_that_is_not_ours() {
    check_refused(|plan| {
        let plan = without_the_last_condition(&plan);
        let place = plan.rfind("AutoPolicyWorkloadsAllowPull").unwrap();
        format!("{}Anybody{}", &plan[..place], &plan[place + "AutoPolicyWorkloadsAllowPull".len()..])
    });
}

#[test]
fn refuses_a_plan_with_a_line_that_is_none() {
    check_refused(|plan| plan.replacen(r#"{"repository":"team/old""#, r#"{"repository":"Team""#, 1));
    check_refused(|plan| plan.replacen(r#"{"repository":"team/old","#, "{", 1));
    check_refused(|plan| plan.replacen(r#"{"repository":"team/web","#, r#"{"repository":"#, 1));
    let stage = edited(|plan| plan.replacen(r#"{"repository":"team/app","#, "{", 1));
    snapshot!(stage.run("apply --plan today.plan --yes").told());
}
