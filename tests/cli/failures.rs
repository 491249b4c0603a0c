//! What goes wrong between here and AWS.

use crate::{
    aws::{DescribeRepositories, Fault, GetParameter, GetRepositoryPolicy, SetRepositoryPolicy, listen},
    stage::Stage,
};

fn without_credentials() -> Stage {
    Stage::registry()
        .without_env("AWS_ACCESS_KEY_ID")
        .without_env("AWS_SECRET_ACCESS_KEY")
        .without_env("AWS_SESSION_TOKEN")
}

/// The configuration of AWS's own tools.
fn with_profiles(stage: Stage, config: &str) -> Stage {
    std::fs::create_dir(stage.path(".aws")).unwrap();
    stage.file(".aws/config", config)
}

session!(
    no_credentials,
    without_credentials(),
    "plan rules.json",
    "show --output json",
    "push rules.json --parameter /ecr-autopolicy/configuration --yes",
    "handle created.json --parameter /ecr-autopolicy/configuration"
);
session!(
    no_region,
    Stage::registry().without_env("AWS_REGION"),
    "plan rules.json",
    "check --parameter /ecr-autopolicy/configuration"
);
session!(a_region_that_is_none, Stage::registry(), "plan rules.json --region Frankfurt");

/// There is no such host either, and to look for it again and again takes long.
#[test]
fn a_region_that_is_none_is_told_before_it_is_called() {
    for arguments in ["show --region Frankfurt", "clear --yes --region Frankfurt"] {
        let ran = Stage::registry().run(arguments);
        assert!(ran.end == "exit 1" && ran.calls.is_empty(), "{}", ran.told());
    }
}
session!(
    a_profile_that_is_none,
    with_profiles(without_credentials(), "[profile work]\nregion = eu-west-1\n"),
    "show --profile wrok"
);
session!(
    a_profile_has_region_and_credentials,
    with_profiles(
        without_credentials().without_env("AWS_REGION"),
        "[profile work]\nregion = eu-west-1\naws_access_key_id = ASIAEXAMPLEEXAMPLE\naws_secret_access_key = a-secret-that-nobody-may-see\n",
    ),
    "show --profile work --repository team/app",
);

/// As with the AWS CLI: who names a profile means it, whatever the environment holds.
#[test]
fn a_profile_that_was_asked_for_counts_more_than_the_environment() {
    let config = "[profile work]\naws_access_key_id = ASIAOFTHEPROFILE\naws_secret_access_key = another\n";
    let stage = with_profiles(Stage::registry(), config);
    let ran = stage.run("show --profile work --repository team/app");
    let keys = ran.calls.iter().map(|call| call.key.as_str()).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(keys, ["ASIAOFTHEPROFILE"].into(), "{}", ran.told());
    let ran = stage.run("apply rules.json --profile wrok --yes");
    assert!(ran.end == "exit 1" && ran.calls.is_empty(), "it used another profile than `wrok`: {}", ran.told());
}
session!(
    a_session_of_single_sign_on_that_is_over,
    with_profiles(
        without_credentials(),
        "[profile work]\nregion = eu-west-1\nsso_session = home\nsso_account_id = 123456789012\nsso_role_name = Admin\n\n\
         [sso-session home]\nsso_region = eu-west-1\nsso_start_url = https://example.awsapps.com/start\n",
    ),
    "show --profile work",
);
session!(
    credentials_that_are_no_longer_valid,
    Stage::registry().fault(
        DescribeRepositories,
        Fault::Refused("ExpiredTokenException", "The security token included in the request is expired")
    ),
    "plan rules.json",
);
session!(
    no_permission_to_list,
    Stage::registry().fault(DescribeRepositories, Fault::Denied),
    "plan rules.json",
    "show",
    "apply rules.json --yes",
    "plan rules.json --output json"
);
session!(
    no_permission_to_read_any_policy,
    Stage::registry().fault(GetRepositoryPolicy, Fault::Denied),
    "plan rules.json --repository sandbox/*",
    "show --repository sandbox/*"
);
session!(
    no_permission_to_write_any_policy,
    Stage::registry().fault(SetRepositoryPolicy, Fault::Denied),
    "apply rules.json --yes --repository team/*"
);
session!(
    no_permission_to_read_the_parameter,
    Stage::registry().fault(GetParameter, Fault::Denied),
    "plan --parameter /ecr-autopolicy/configuration",
    "push rules.json --parameter /ecr-autopolicy/configuration --yes"
);
session!(
    no_such_parameter,
    Stage::registry(),
    "plan --parameter /ecr-autopolicy/configuration",
    "apply --parameter /none --yes"
);
session!(
    no_such_repository,
    Stage::registry(),
    "plan rules.json --repository team/none",
    "show --repository team/app --repository team/none"
);
session!(
    a_pattern_that_matches_none,
    Stage::registry(),
    "plan rules.json --repository team/* --repository none/*",
    "clear --repository none/* --yes"
);
session!(a_name_that_is_none, Stage::registry(), "show --repository Team/App");
session!(a_registry_that_is_none, Stage::registry(), "plan rules.json --registry-id 1");
session!(a_prefix_that_is_none, Stage::registry(), "plan rules.json --prefix AutoPolicyTwo", "clear --prefix 1 --yes");
session!(certificates_that_are_none, Stage::registry(), "show --ca-bundle rules.json", "show --ca-bundle none.pem");

#[test]
fn throttled_for_ever() {
    let stage = Stage::registry().fault(DescribeRepositories, Fault::Throttle);
    let list = stage.run("plan rules.json --patience 1").told_without_calls();
    stage.aws().clear_faults();
    let stage = stage.fault_of("team/app", GetRepositoryPolicy, Fault::Throttle).fault_of(
        "team/old",
        SetRepositoryPolicy,
        Fault::Throttle,
    );
    let one = stage.run("apply rules.json --yes --repository team/* --patience 1").told_without_calls();
    snapshot!([list, one].join("\n"));
}

/// A service that throttles for a while is no failure at all.
#[test]
fn throttled_for_a_while() {
    let stage = Stage::new().repositories(8);
    for number in 0..8 {
        let name = format!("many/r{number:04}");
        for operation in [GetRepositoryPolicy, SetRepositoryPolicy] {
            stage.aws().set_fault_of(&name, operation, Fault::Throttle, crate::aws::Often::Once);
        }
    }
    let ran = stage.run("apply rules.json --yes --output json");
    assert_eq!((ran.end.as_str(), ran.written().len()), ("exit 0", 8), "{}", ran.told());
}

#[test]
fn a_service_that_fails() {
    let stage = Stage::registry().fault_of("team/app", GetRepositoryPolicy, Fault::ServerError);
    snapshot!(stage.run("plan rules.json --repository team/* --patience 1").told_without_calls());
}

#[test]
fn a_service_that_cannot_be_reached() {
    let (closed, address) = listen();
    drop(closed);
    let stage = Stage::registry().env("AWS_ENDPOINT_URL", &format!("http://{address}"));
    let told = stage.run("plan rules.json --patience 1").told_without_calls();
    snapshot!(told.replace(&address.to_string(), "nowhere"));
}
