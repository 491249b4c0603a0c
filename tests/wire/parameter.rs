//! Where the configuration comes from: read beside the policy, kept for a while, never guessed.

use std::time::Duration;

use serde_json::json;

use crate::aws::{
    ACCOUNT, Call, DeleteRepositoryPolicy, Fault, GetParameter, GetRepositoryPolicy, Often, PARAMETER, REGION,
    SetRepositoryPolicy,
};
use crate::creation::{workloads, workloads_statement};
use crate::document::policy;
use crate::event::{created, with};
use crate::scenario::{Scenario, check, fails};
use crate::stage::{Function, Stage};

fn applied() -> Scenario {
    Scenario::Applied(policy(&[workloads_statement()]))
}

fn stage() -> Stage {
    Stage::new().configuration(&workloads()).repository("team/app").repository("team/two")
}

/// How many calls had to wait for another, one after the other.
pub(crate) fn round_trips(calls: &[Call]) -> usize {
    let mut depths: Vec<(u64, usize)> = Vec::new();
    for call in calls {
        let before = depths.iter().filter(|(closed, _)| *closed < call.opened);
        let depth = before.map(|(_, depth)| *depth).max().unwrap_or(0) + 1;
        depths.push((call.closed.unwrap_or(u64::MAX), depth));
    }
    depths.into_iter().map(|(_, depth)| depth).max().unwrap_or(0)
}

#[test]
fn the_parameter_and_the_current_policy_are_read_at_the_same_time() {
    let mut function = stage()
        .fault(GetParameter, Fault::Meets(GetRepositoryPolicy), Often::Always)
        .fault(GetRepositoryPolicy, Fault::Meets(GetParameter), Often::Always)
        .start();
    function.check(&created("team/app"), applied());
    let calls = function.calls();
    let find = |operation| calls.iter().find(|call| call.operation == operation).unwrap();
    assert!(find(GetParameter).overlaps(find(GetRepositoryPolicy)), "{calls:#?}");
    assert_eq!(round_trips(&calls), 2, "{calls:#?}");
}

#[test]
fn a_string_and_a_secure_string_are_read_by_name_and_by_arn() {
    let arn = format!("arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{PARAMETER}");
    for name in [PARAMETER, arn.as_str()] {
        let stage = || Stage::new().repository("team/app").env("POLICY_PARAMETER", name);
        for stage in [stage().configuration(&workloads()), stage().secure(&workloads())] {
            let mut function = stage.start();
            function.check(&created("team/app"), applied());
            let calls = function.aws.calls();
            let read = calls.iter().find(|call| call.operation == GetParameter).unwrap();
            assert_eq!(read.body["Name"], name);
            assert_eq!(read.body["WithDecryption"], json!(true));
        }
    }
}

#[test]
fn without_the_name_of_its_parameter_the_function_refuses_to_start() {
    for stage in [stage().without_env("POLICY_PARAMETER"), stage().env("POLICY_PARAMETER", "")] {
        let mut function = stage.start();
        let status = function.process.wait_for_exit();
        assert!(!status.success());
        assert!(!function.process.has_started(), "it asked for an event");
        function.process.wait_for_log("ConfigurationMissing");
        function.process.wait_for_log("POLICY_PARAMETER");
        assert!(function.aws.calls().is_empty());
        for error in function.process.init_errors() {
            assert_eq!(error["errorType"], "ConfigurationMissing");
        }
    }
}

#[test]
fn a_cache_time_that_is_no_number_keeps_the_function_from_starting() {
    for seconds in ["soon", "-1", "1.5", "60s"] {
        let mut function = stage().env("POLICY_CACHE_SECONDS", seconds).start();
        assert!(!function.process.wait_for_exit().success());
        function.process.wait_for_log("POLICY_CACHE_SECONDS");
    }
}

#[test]
fn certificates_that_cannot_be_read_keep_the_function_from_starting() {
    for variable in ["AWS_CA_BUNDLE", "SSL_CERT_FILE"] {
        let mut function = stage().env(variable, "/nowhere/bundle.pem").start();
        assert!(!function.process.wait_for_exit().success());
        function.process.wait_for_log("the certificates in `/nowhere/bundle.pem` cannot be read");
        function.process.wait_for_log(variable);
        assert!(!function.process.has_started(), "it asked for an event");
    }
}

#[test]
fn a_file_that_holds_no_certificates_keeps_the_function_from_starting() {
    for (name, text) in [
        ("empty", ""),
        ("text", "no certificates here\n"),
        ("broken", "-----BEGIN CERTIFICATE-----\nbm8gY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n"),
    ] {
        let path = format!("{}/bundle-{name}.pem", env!("CARGO_TARGET_TMPDIR"));
        std::fs::write(&path, text).unwrap();
        for variable in ["AWS_CA_BUNDLE", "SSL_CERT_FILE"] {
            let mut function = stage().env(variable, &path).start();
            assert!(!function.process.wait_for_exit().success(), "{name}");
            function.process.wait_for_log("ConfigurationInvalid");
            function.process.wait_for_log(&path);
        }
    }
}

/// The reads of the parameter since the process began.
fn reads(function: &Function) -> usize {
    function.aws.calls().iter().filter(|call| call.operation == GetParameter).count()
}

#[test]
fn with_no_cache_every_event_reads_the_parameter() {
    let mut function = stage().env("POLICY_CACHE_SECONDS", "0").start();
    for name in ["team/app", "team/two"] {
        function.check(&created(name), applied());
        assert_eq!(function.count(GetParameter), 1);
    }
}

#[test]
fn within_the_cache_s_time_the_second_event_reads_no_parameter() {
    for stage in [stage().without_env("POLICY_CACHE_SECONDS"), stage().env("POLICY_CACHE_SECONDS", "300")] {
        let mut function = stage.start();
        function.check(&created("team/app"), applied());
        assert_eq!(reads(&function), 1);
        // Neither a change nor a fault of the parameter is seen for a while.
        function.aws.set_fault(GetParameter, Fault::ServerError, Often::Always);
        function.check(&created("team/two"), applied());
        assert_eq!(function.count(GetParameter), 0);
    }
}

#[test]
fn an_expired_value_is_never_used_instead() {
    let mut function = stage().env("POLICY_CACHE_SECONDS", "1").start();
    function.check(&created("team/app"), applied());
    std::thread::sleep(Duration::from_millis(1_100));
    function.aws.set_fault(GetParameter, Fault::Denied, Often::Always);
    function.check(&created("team/two"), fails("AccessDenied", &["ssm:GetParameter"]));
    function.aws.clear_faults();
    function.aws.delete_parameter();
    function.check(&created("team/two"), fails("ConfigurationMissing", &[PARAMETER]));
    function.aws.set_parameter(&workloads().to_string(), false);
    function.check(&created("team/two"), applied());
}

#[test]
fn a_parameter_that_is_gone_never_means_no_rules() {
    let live = policy(&[workloads_statement()]).to_string();
    let stage = Stage::new().live("team/app", &live);
    check(stage, &created("team/app"), fails("ConfigurationMissing", &[PARAMETER]));
}

#[test]
fn a_parameter_that_comes_back_is_read_again() {
    let mut function = Stage::new().repository("team/app").without_env("POLICY_CACHE_SECONDS").start();
    function.check(&created("team/app"), fails("ConfigurationMissing", &[PARAMETER]));
    function.aws.set_parameter(&workloads().to_string(), false);
    function.check(&created("team/app"), applied());
}

#[test]
fn a_parameter_that_may_not_be_read_names_the_action_and_the_resource() {
    let arn = format!("arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{PARAMETER}");
    let stage = stage().fault(GetParameter, Fault::Denied, Often::Always);
    check(stage, &created("team/app"), fails("AccessDenied", &["ssm:GetParameter", &arn]));
}

#[test]
fn a_key_that_may_not_be_used_names_the_action_and_the_resource() {
    let key = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let message = "User: arn:aws:sts::123456789012:assumed-role/ecr-autopolicy/ecr-autopolicy is not \
        authorized to perform: kms:Decrypt on resource: arn:aws:kms:eu-west-1:123456789012:key/\
        1234abcd-12ab-34cd-56ef-1234567890ab because no identity-based policy allows the kms:Decrypt \
        action (Service: AWSKMS; Status Code: 400; Error Code: AccessDeniedException; Request ID: \
        9b6f3c1e-0a3b-4f1e-8a43-0b3d0f6c5a55; Proxy: null)";
    let stage = Stage::new().secure(&workloads()).repository("team/app").fault(
        GetParameter,
        Fault::Refused("AccessDeniedException", message),
        Often::Always,
    );
    check(stage, &created("team/app"), fails("AccessDenied", &["kms:Decrypt", key]));
}

#[test]
fn a_key_that_kms_says_little_about_still_names_the_parameter() {
    let message = "The ciphertext refers to a customer master key that does not exist, does not exist \
        in this region, or you are not allowed to access.";
    let stage = Stage::new().secure(&workloads()).repository("team/app").fault(
        GetParameter,
        Fault::Refused("AccessDeniedException", message),
        Often::Always,
    );
    check(stage, &created("team/app"), fails("AccessDenied", &["ssm:GetParameter", PARAMETER]));
}

#[test]
fn the_parameter_is_not_read_for_an_event_that_is_ignored() {
    let event = with(created("team/app"), "/detail/eventName", json!("PutImage"));
    let mut function = stage().without_env("POLICY_CACHE_SECONDS").start();
    function.process.wait_for_start();
    function.check(&event, Scenario::RadioSilence(vec!["PutImage"]));
}

#[test]
fn the_services_may_have_an_endpoint_each() {
    // The general endpoint leads nowhere: a port that was free a moment ago.
    let (closed, address) = crate::runtime::listen();
    drop(closed);
    let stage = stage().env("AWS_ENDPOINT_URL", &format!("http://{address}"));
    let url = stage.aws().url();
    let mut function = stage.env("AWS_ENDPOINT_URL_ECR", &url).env("AWS_ENDPOINT_URL_SSM", &url).start();
    function.check(&created("team/app"), applied());
}

#[test]
fn a_new_value_counts_for_the_next_event() {
    let mut function = stage().start();
    function.check(&created("team/app"), applied());
    function.aws.set_parameter(r#"{"rules": []}"#, false);
    function.check(&created("team/app"), Scenario::Deleted);
    let operations: Vec<_> = function.aws.calls().iter().map(|call| call.operation).collect();
    assert_eq!(operations.iter().filter(|it| **it == SetRepositoryPolicy).count(), 1);
    assert_eq!(operations.iter().filter(|it| **it == DeleteRepositoryPolicy).count(), 1);
}
