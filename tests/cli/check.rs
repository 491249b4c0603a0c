//! `check`.

use crate::stage::Stage;

command!(says_that_all_is_well, "check workloads.json");
command!(says_so_as_json, "check workloads.json --output json");
command!(tells_every_mistake, "check mistakes.json");
command!(tells_every_mistake_as_json, "check mistakes.json --output json");
command!(passes_with_warnings, "check full-access.json");
command!(reads_the_standard_input, "check -", "{}");
command!(takes_white_space_for_no_rules, "check -", " \n");
command!(needs_a_file, "check none.json");
command!(needs_a_prefix_that_can_be_one, "check workloads.json --prefix AutoPolicyTwo");
command!(needs_one_source, "check workloads.json --parameter /ecr-autopolicy/configuration");

session!(
    reads_the_parameter,
    Stage::new().parameter("mistakes.json"),
    "check --parameter /ecr-autopolicy/configuration",
    "check --parameter arn:aws:ssm:eu-west-1:123456789012:parameter/ecr-autopolicy/configuration --output json",
);
session!(needs_a_parameter_that_is_there, Stage::new(), "check --parameter /ecr-autopolicy/configuration");
