//! `render`.

use crate::stage::Stage;

command!(prints_the_policy, "render workloads.json --repository team/app");
command!(adds_rules_up_and_explains, "render workloads.json --repository ci-cache/app --explain");
command!(knows_tags, "render workloads.json --repository sandbox/app --tag team=payments");
command!(says_that_no_rule_matches, "render workloads.json --repository sandbox/app");
command!(says_so_as_json, "render workloads.json --repository sandbox/app --output json");
command!(prints_json, "render workloads.json --repository ci-cache/app --output json");
command!(is_about_any_registry, "render lambda.json --repository app --region cn-north-1 --registry-id 999988887777");
command!(refuses_mistakes, "render mistakes.json --repository team/app");
command!(refuses_a_name_that_is_none, "render workloads.json --repository Team");
command!(refuses_a_tag_that_is_none, "render workloads.json --repository team/app --tag team");
command!(refuses_a_registry_that_is_none, "render workloads.json --repository team/app --registry-id 1");
command!(refuses_a_region_that_is_none, "render workloads.json --repository team/app --region Frankfurt");

session!(
    reads_the_parameter_and_asks_for_nothing_else,
    Stage::new().parameter("workloads.json"),
    "render --parameter /ecr-autopolicy/configuration --repository ci-cache/app --explain",
);
