//! Other Regions and partitions than the function's own.

use serde_json::json;

use crate::aws::{ACCOUNT, GetParameter, PARAMETER};
use crate::document::policy;
use crate::event::{created_by_ecr_in, created_in, without};
use crate::scenario::{Scenario, check, each};
use crate::stage::Stage;

/// A function at home, an event from elsewhere.
#[derive(Debug, Clone, Copy)]
struct Case {
    partition: &'static str,
    home: &'static str,
    event: &'static str,
}

const CASES: [Case; 9] = [
    Case { partition: "aws", home: "eu-west-1", event: "us-east-1" },
    Case { partition: "aws", home: "us-east-1", event: "ap-southeast-7" },
    Case { partition: "aws", home: "eu-central-1", event: "il-central-1" },
    Case { partition: "aws-cn", home: "cn-north-1", event: "cn-northwest-1" },
    Case { partition: "aws-cn", home: "cn-north-1", event: "cn-north-1" },
    Case { partition: "aws-us-gov", home: "us-gov-west-1", event: "us-gov-east-1" },
    Case { partition: "aws-iso", home: "us-iso-east-1", event: "us-iso-west-1" },
    Case { partition: "aws-iso-b", home: "us-isob-east-1", event: "us-isob-west-1" },
    Case { partition: "aws-eusc", home: "eusc-de-east-1", event: "eusc-de-east-1" },
];

#[test]
fn the_function_acts_in_the_event_s_region_whichever_it_runs_in() {
    let configuration = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "Own",
            "Effect": "Allow",
            "Principal": { "AWS": "arn:${partition}:iam::${registry_id}:role/${region}" },
            "Action": "ecr:BatchGetImage",
            "Condition": { "StringNotEquals": {
                "aws:PrincipalTag/repository": ["${repository_arn}", "${repository_name}"]
            }}
        }]
    });
    each(CASES, |Case { partition, home, event: region }| {
        let arn = format!("arn:{partition}:ecr:{region}:{ACCOUNT}:repository/team/app");
        let expected = policy(&[json!({
            "Sid": "AutoPolicyOwn",
            "Effect": "Allow",
            "Principal": { "AWS": format!("arn:{partition}:iam::{ACCOUNT}:role/{region}") },
            "Action": "ecr:BatchGetImage",
            "Condition": { "StringNotEquals": { "aws:PrincipalTag/repository": [arn, "team/app"] } }
        })]);
        for event in [created_in(partition, region, "team/app"), created_by_ecr_in(region, "team/app")] {
            let stage = Stage::of(partition, home).configuration(&configuration);
            let mut function = stage.repository_in(region, "team/app").start();
            let response = function.check(&event, Scenario::Applied(expected.clone()));
            assert_eq!(response["outcomes"][0]["repository"], json!(arn));
            for call in function.calls() {
                let expected = if call.operation == GetParameter { home } else { region };
                assert_eq!(call.region, expected, "the Region that {:?} is signed for", call.operation);
            }
        }
    });
}

#[test]
fn a_repository_of_the_same_name_in_another_region_is_another_repository() {
    let configuration = crate::creation::workloads();
    let mut function = Stage::new()
        .configuration(&configuration)
        .repository("team/app")
        .repository_in("us-east-1", "team/app")
        .start();
    let applied = Scenario::Applied(policy(&[crate::creation::workloads_statement()]));
    function.check(&created_in("aws", "us-east-1", "team/app"), applied.clone());
    assert_eq!(function.aws.policy("eu-west-1", "team/app"), None);
    function.check(&created_in("aws", "eu-west-1", "team/app"), applied);
    function.check(&created_in("aws", "us-east-1", "team/app"), Scenario::Unchanged);
}

#[test]
fn the_region_may_stand_in_either_of_its_places() {
    let applied = Scenario::Applied(policy(&[crate::creation::workloads_statement()]));
    for place in ["/region", "/detail/awsRegion"] {
        let event = without(created_in("aws", "us-east-1", "team/app"), place);
        let stage = Stage::new().configuration(&crate::creation::workloads());
        check(stage.repository_in("us-east-1", "team/app"), &event, applied.clone());
    }
}

#[test]
fn a_parameter_s_arn_says_where_to_read_it() {
    // The parameter lives in us-east-1, and the function in eu-west-1.
    let arn = format!("arn:aws:ssm:us-east-1:{ACCOUNT}:parameter{PARAMETER}");
    let stage = Stage::of("aws", "us-east-1").configuration(&crate::creation::workloads());
    let stage = stage.env("AWS_REGION", "eu-west-1").env("AWS_DEFAULT_REGION", "eu-west-1");
    let mut function = stage.env("POLICY_PARAMETER", &arn).repository_in("eu-west-1", "team/app").start();
    let applied = Scenario::Applied(policy(&[crate::creation::workloads_statement()]));
    function.check(&created_in("aws", "eu-west-1", "team/app"), applied);
    for call in function.calls() {
        let expected = if call.operation == GetParameter { "us-east-1" } else { "eu-west-1" };
        assert_eq!(call.region, expected, "the Region that {:?} is signed for", call.operation);
    }
}
