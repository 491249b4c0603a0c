//! `push`.

use serde_json::json;

use crate::{
    aws::{Fault, GetRepositoryPolicy, Parameter, PutParameter},
    stage::{Stage, parameter},
};

session!(
    makes_a_parameter,
    Stage::registry(),
    "push rules.json --parameter /ecr-autopolicy/configuration --yes",
    "plan --parameter /ecr-autopolicy/configuration --repository team/old"
);
session!(
    shows_what_changes,
    Stage::registry().parameter("workloads.json"),
    "push rules.json --parameter /ecr-autopolicy/configuration --yes"
);
session!(
    prints_json,
    Stage::registry().parameter("workloads.json"),
    "push rules.json --parameter /ecr-autopolicy/configuration --yes --output json"
);
session!(
    writes_nothing_where_nothing_changes,
    Stage::registry().parameter("rules.json"),
    "push rules.json --parameter /ecr-autopolicy/configuration --yes",
    "push rules.json --parameter /ecr-autopolicy/configuration --yes --output json"
);
session!(
    refuses_mistakes_before_it_asks_aws,
    Stage::registry(),
    "push mistakes.json --parameter /ecr-autopolicy/configuration --yes",
    "push mistakes.json --parameter /ecr-autopolicy/configuration --yes --output json"
);
session!(
    says_warnings_and_goes_on,
    Stage::registry(),
    "push full-access.json --parameter /ecr-autopolicy/configuration --yes"
);
session!(
    needs_consent_where_nobody_can_be_asked,
    Stage::registry(),
    "push rules.json --parameter /ecr-autopolicy/configuration"
);
session!(needs_a_name_that_can_be_one, Stage::registry(), "push rules.json --parameter team/policy --yes");
session!(
    takes_no_arn,
    Stage::registry().parameter("workloads.json"),
    "push rules.json --parameter arn:aws:ssm:eu-west-1:123456789012:parameter/ecr-autopolicy/configuration --yes"
);
session!(
    needs_the_key_of_a_secure_string,
    Stage::registry().secret_parameter("{}"),
    "push rules.json --parameter /ecr-autopolicy/configuration --yes"
);
session!(
    needs_permission_to_write,
    Stage::registry().fault(PutParameter, Fault::Denied),
    "push rules.json --parameter /ecr-autopolicy/configuration --yes"
);
session!(
    tells_how_many_repositories_cannot_be_looked_at,
    Stage::registry().fault_of("team/old", GetRepositoryPolicy, Fault::Denied),
    "push rules.json --parameter /ecr-autopolicy/configuration --yes",
);
session!(
    names_ten_repositories_and_counts_the_rest,
    Stage::new().repositories(14),
    "push rules.json --parameter /ecr-autopolicy/configuration --yes"
);

/// What a parameter is after a push.
#[track_caller]
fn pushed(stage: &Stage) -> Parameter {
    let ran = stage.run(&format!("push rules.json --parameter {} --yes", parameter()));
    assert_eq!(ran.end, "exit 0", "{}", ran.told());
    stage.aws().parameter_of(parameter()).unwrap()
}

fn rules() -> String {
    std::fs::read_to_string(crate::stage::examples().join("rules.json")).unwrap()
}

/// The rules in so many bytes, of which the last are white space.
fn rules_of(bytes: usize) -> String {
    format!("{:bytes$}", rules())
}

#[test]
fn writes_the_file_as_it_is() {
    let stage = Stage::registry();
    assert_eq!(pushed(&stage), Parameter { version: 1, ..Parameter::new(&rules(), "String") });
    stage.aws().set_parameter(" ", false);
    assert_eq!(pushed(&stage), Parameter { version: 4, ..Parameter::new(&rules(), "String") });
}

#[test]
fn keeps_the_type_and_prints_no_value_of_a_secure_string() {
    let secret = json!({ "template": "account-list", "with": { "accounts": ["121212121212"] } }).to_string();
    let stage = Stage::registry().secret_parameter(&secret).secret("121212121212").secret("o-a1b2c3d4e5");
    let told = ["", " --output json"].map(|format| {
        stage.aws().set_parameter(&secret, true);
        let key = "--key-id alias/aws/ssm";
        let ran = stage.run(&format!("push rules.json --parameter {} {key} --yes{format}", parameter()));
        assert_eq!(stage.aws().parameter_of(parameter()).unwrap().kind, "SecureString");
        ran.told()
    });
    snapshot!(told.join("\n"));
}

#[test]
fn keeps_a_list_of_strings_a_list() {
    let stage = Stage::registry();
    stage.aws().set_parameter_of(parameter(), Parameter::new("{\"rules\": []}", "StringList"));
    assert_eq!(pushed(&stage).kind, "StringList");
}

#[test]
fn takes_the_smallest_tier_that_holds_the_value() {
    for (before, bytes, after) in [
        (None, 4_096, "Standard"),
        (None, 4_097, "Advanced"),
        (Some(100), 4_096, "Standard"),
        (Some(100), 4_097, "Advanced"),
        (Some(100), 8_192, "Advanced"),
        // An advanced parameter cannot become a standard one again.
        (Some(5_000), 2_000, "Advanced"),
    ] {
        let stage = Stage::new().repository("team/app").file("rules.json", &rules_of(bytes));
        if let Some(before) = before {
            let text = format!("{:before$}", "{\"rules\": []}");
            stage.aws().set_parameter(&text, false);
        }
        let parameter = pushed(&stage);
        assert_eq!((parameter.tier, parameter.value.len()), (after, bytes), "{before:?}");
    }
}

#[test]
fn refuses_what_no_parameter_holds() {
    let stage = Stage::new().repository("team/app").file("rules.json", &rules_of(8_193));
    snapshot!(stage.run("push rules.json --parameter /ecr-autopolicy/configuration --yes").told());
}
