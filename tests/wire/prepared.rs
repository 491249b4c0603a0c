//! What is there before the first event: the configuration, and a connection to ECR.

use std::time::Duration;

use serde_json::json;

use crate::aws::{Fault, GetParameter, GetRepositoryPolicy, Often, SetRepositoryPolicy};
use crate::creation::workloads;
use crate::document::policy;
use crate::event::created;
use crate::scenario::Scenario;
use crate::stage::Stage;

fn stage() -> Stage {
    Stage::new().configuration(&workloads()).repository("team/app").env("POLICY_CACHE_SECONDS", "60")
}

#[test]
fn the_first_event_finds_the_parameter_read_and_a_connection_open() {
    // By another name, or SSM and ECR would share connections.
    let ecr = |stage: Stage| {
        let url = stage.url().replace("127.0.0.1", "localhost");
        stage.env("AWS_ENDPOINT_URL_ECR", &url)
    };
    let mut function = ecr(stage()).start();
    function.process.wait_for_start();
    let calls: Vec<_> = function.aws.calls().into_iter().map(|call| call.operation).collect();
    assert_eq!(calls, [GetParameter]);
    let connections = function.aws.connections();
    assert_eq!(connections, 2, "one to SSM, and one to ECR on which nothing was sent");
    function.check(&created("team/app"), Scenario::Applied(policy(&[crate::creation::workloads_statement()])));
    let calls: Vec<_> = function.calls().into_iter().map(|call| call.operation).collect();
    assert_eq!(calls, [GetRepositoryPolicy, SetRepositoryPolicy]);
    assert_eq!(function.aws.connections(), connections);
}

#[test]
fn what_cannot_be_prepared_is_done_for_the_event() {
    for fault in [Fault::Reset, Fault::Throttle, Fault::Denied] {
        let mut function = stage().fault(GetParameter, fault, Often::Always).start();
        function.process.wait_for_start();
        function.aws.clear_faults();
        let response = function.invoke(&created("team/app")).response();
        assert_eq!(response.pointer("/outcomes/0/outcome"), Some(&json!("applied")));
    }
}

#[test]
fn ecr_that_cannot_be_reached_fails_no_start() {
    let mut function = stage().env("AWS_ENDPOINT_URL_ECR", "http://127.0.0.1:1").start();
    function.process.wait_for_start();
    let failure = function.invoke_within(&created("team/app"), Duration::from_secs(2)).failure();
    assert_eq!(failure.kind, "ServiceUnavailable", "{}", failure.message);
}

#[test]
fn a_parameter_that_is_not_there_yet_fails_no_start() {
    let mut function = Stage::new().repository("team/app").env("POLICY_CACHE_SECONDS", "60").start();
    function.process.wait_for_start();
    function.aws.set_parameter(&workloads().to_string(), false);
    let response = function.invoke(&created("team/app")).response();
    assert_eq!(response.pointer("/outcomes/0/outcome"), Some(&json!("applied")));
}

#[test]
fn a_mistake_that_was_read_ahead_may_be_repaired_since() {
    let mut function = stage().parameter("{}").start();
    function.process.wait_for_start();
    function.aws.set_parameter(&workloads().to_string(), false);
    let response = function.invoke(&created("team/app")).response();
    assert_eq!(response.pointer("/outcomes/0/outcome"), Some(&json!("applied")));
}

#[test]
fn aws_that_does_not_answer_holds_the_start_up_for_seconds_only() {
    let mut function = stage().fault(GetParameter, Fault::Silence, Often::Always).start();
    function.process.wait_for_start();
}

#[test]
fn a_parameter_that_every_event_reads_is_not_read_ahead() {
    let mut function = stage().env("POLICY_CACHE_SECONDS", "0").start();
    function.process.wait_for_start();
    assert_eq!(function.aws.calls().len(), 0);
}
