//! A sweep that is spread over the work queue: what is put on it, and what becomes of that in the end.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::aws::{
    ACCOUNT, DescribeRepositories, Fault, GetParameter, GetRepositoryPolicy, Message, Often, PARAMETER, REGION,
    SendMessageBatch, SetRepositoryPolicy, WORK_QUEUE,
};
use crate::creation::{workloads, workloads_statement};
use crate::document::policy;
use crate::event::{created, delivery, parameter_changed, policy_set, scheduled, scheduled_by_scheduler};
use crate::scenario::{Scenario, each, each_at_once};
use crate::stage::{Function, Stage};

fn stage() -> Stage {
    Stage::new().configuration(&workloads()).queue()
}

/// Repositories of that number.
fn names(number: usize) -> Vec<String> {
    (0..number).map(|number| format!("team/app{number:04}")).collect()
}

/// Milliseconds since the Unix epoch.
fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// The repositories that these messages name, each message on its own.
#[track_caller]
fn parts(messages: &[Message]) -> Vec<Vec<String>> {
    let name = |name: &Value| name.as_str().unwrap().to_owned();
    let part =
        |message: &Message| message.json()["sweep"]["repositories"].as_array().unwrap().iter().map(name).collect();
    messages.iter().map(part).collect()
}

/// Hands out what is on the queue, ten messages at a time, until nothing is left; gives the number of messages.
#[track_caller]
fn work_off(function: &mut Function) -> usize {
    let mut number = 0;
    loop {
        let messages = function.messages();
        if messages.is_empty() {
            return number;
        }
        number += messages.len();
        assert!(number < 1_000, "the queue never becomes empty");
        for batch in messages.chunks(10) {
            let bodies: Vec<&str> = batch.iter().map(|message| message.body.as_str()).collect();
            assert_eq!(function.invoke(&delivery(&bodies)).response(), json!({ "batchItemFailures": [] }));
        }
    }
}

/// The repositories whose policy is not ours alone.
fn not_in_line(function: &Function) -> Vec<String> {
    let expected = crate::aws::as_ecr_answers(&policy(&[workloads_statement()]).to_string(), "aws");
    let policies = function.aws.policies().into_iter();
    policies.filter(|(_, policy)| policy.as_ref() != Some(&expected)).map(|((_, name), _)| name).collect()
}

#[test]
fn the_registry_is_put_on_the_queue_in_parts_of_25() {
    const SCHEDULED: [&str; 5] = ["registry", "region", "since", "scheduled", "repositories"];
    let of_schedule = [scheduled(), scheduled_by_scheduler()].map(|event| (event, SCHEDULED.to_vec()));
    let of_change =
        (parameter_changed("Update", PARAMETER), SCHEDULED.into_iter().filter(|key| *key != "scheduled").collect());
    each(of_schedule.into_iter().chain([of_change]), |(event, expected)| {
        let mut function = stage().repositories(names(60)).start();
        let before = now();
        let response = function.invoke(&event).response();
        let after = now();
        assert_eq!(response, json!({ "outcomes": [], "queued": 60 }));
        assert_eq!(function.ecr_calls(), [DescribeRepositories, SendMessageBatch]);

        let messages = function.messages();
        let parts = parts(&messages);
        assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [25, 25, 10]);
        assert_eq!(parts.concat().into_iter().collect::<BTreeSet<_>>(), names(60).into_iter().collect());
        for message in &messages {
            // The queue's own delay is for repairs.
            assert_eq!(message.delay, Some(0));
            let sweep = message.json()["sweep"].clone();
            let keys: Vec<&String> = sweep.as_object().unwrap().keys().collect();
            assert_eq!(keys, expected);
            assert_eq!((&sweep["registry"], &sweep["region"]), (&json!(ACCOUNT), &json!(REGION)));
            let since = sweep["since"].as_u64().unwrap();
            assert!((before..=after).contains(&since), "{since} is not between {before} and {after}");
        }
    });
}

#[test]
fn the_calls_to_the_queue_are_as_few_as_it_takes() {
    // Repositories, and the entries of each call.
    let cases: [(usize, &[usize]); 6] = [(0, &[]), (1, &[1]), (25, &[1]), (26, &[2]), (250, &[10]), (276, &[10, 2])];
    each(cases, |(number, expected)| {
        let mut function = stage().repositories(names(number)).start();
        let response = function.invoke(&scheduled()).response();
        assert_eq!(response, json!({ "outcomes": [], "queued": number }));
        let calls = function.calls().into_iter().filter(|call| call.operation == SendMessageBatch);
        let entries = calls.map(|call| {
            assert_eq!(call.body["QueueUrl"], WORK_QUEUE);
            call.body["Entries"].as_array().unwrap().len()
        });
        assert_eq!(entries.collect::<Vec<_>>(), expected);
        assert_eq!(parts(&function.messages()).concat().len(), number);
    });
}

#[test]
fn each_page_is_put_on_the_queue_before_the_next_is_read() {
    let mut function = stage().repositories(names(1_001)).start();
    let response = function.invoke(&scheduled()).response();
    assert_eq!(response, json!({ "outcomes": [], "queued": 1_001 }));
    let mut expected = vec![DescribeRepositories];
    expected.extend([SendMessageBatch; 4]);
    expected.extend([DescribeRepositories, SendMessageBatch]);
    assert_eq!(function.ecr_calls(), expected);
    let messages = function.messages();
    assert_eq!(messages.len(), 41);
    let since: BTreeSet<String> = messages.iter().map(|message| message.json()["sweep"]["since"].to_string()).collect();
    assert_eq!(since.len(), 1, "one sweep has one beginning");
}

#[test]
fn what_is_put_on_the_queue_brings_every_repository_in_line() {
    let mut function = stage().repositories(names(130)).page(40).start();
    function.invoke(&scheduled()).response();
    // Four pages make more parts than one would.
    assert_eq!(work_off(&mut function), 2 + 2 + 2 + 1);
    assert_eq!(not_in_line(&function), Vec::<String>::new());
    assert_eq!(function.aws.calls().iter().filter(|call| call.operation == SetRepositoryPolicy).count(), 130);
    // The next sweep finds nothing to write.
    function.invoke(&scheduled()).response();
    work_off(&mut function);
    assert_eq!(function.aws.calls().iter().filter(|call| call.operation == SetRepositoryPolicy).count(), 130);
}

#[test]
fn a_list_that_takes_too_long_is_handed_to_the_next_invocation() {
    // Each page is slow enough that no invocation has the time for two.
    let slow = Fault::Late(Duration::from_secs(4));
    let mut function = stage().repositories(names(90)).page(30).start();
    function.process.wait_for_start();
    function.aws.set_fault(DescribeRepositories, slow, Often::Always);
    let mut seen = Vec::new();
    let mut event = scheduled();
    let mut since = None;
    for page in 1..=3 {
        let answer = function.invoke_within(&event, Duration::from_secs(6));
        let response = answer.response();
        match page {
            1 => assert_eq!(response, json!({ "outcomes": [], "queued": 30 })),
            _ => assert_eq!(response, json!({ "batchItemFailures": [] })),
        }
        let mut messages = function.messages();
        if page < 3 {
            let rest = messages.pop().unwrap();
            assert_eq!(rest.delay, Some(0));
            let sweep = rest.json()["sweep"].clone();
            let keys: Vec<&String> = sweep.as_object().unwrap().keys().collect();
            assert_eq!(keys, ["registry", "region", "since", "scheduled", "next"]);
            assert_eq!(sweep["since"], *since.get_or_insert(sweep["since"].clone()), "the sweep began anew");
            assert!(sweep["next"].as_str().is_some_and(|token| !token.is_empty()));
            event = delivery(&[rest.body]);
        }
        assert_eq!(messages.len(), 2, "page {page}");
        for message in &messages {
            let began = message.json()["sweep"]["since"].clone();
            assert_eq!(began, *since.get_or_insert(began.clone()), "the sweep began anew");
        }
        seen.extend(parts(&messages).concat());
    }
    seen.sort();
    assert_eq!(seen, names(90));
}

#[test]
fn a_continuation_without_a_queue_goes_on_in_place() {
    let mut function = stage().without_env("WORK_QUEUE_URL").repositories(names(50)).start();
    let rest = json!({ "sweep": { "registry": ACCOUNT, "region": REGION, "next": "page-after-20" } });
    assert_eq!(function.invoke(&delivery(&[rest.to_string()])).response(), json!({ "batchItemFailures": [] }));
    assert_eq!(function.count(SetRepositoryPolicy), 30);
}

/// The message that goes on with a list from a token that ECR does not know.
fn forgotten(anew: bool) -> Value {
    let mut sweep = json!({ "registry": ACCOUNT, "region": REGION, "since": 7, "next": "long-forgotten" });
    if anew {
        sweep["anew"] = true.into();
    }
    delivery(&[json!({ "sweep": sweep }).to_string()])
}

#[test]
fn a_list_whose_token_ecr_no_longer_knows_begins_anew() {
    let mut function = stage().repositories(names(30)).start();
    assert_eq!(function.invoke(&forgotten(false)).response(), json!({ "batchItemFailures": [] }));
    function.process.wait_for_log("nextToken");
    let messages = function.messages();
    assert_eq!(parts(&messages).concat().len(), 30);
    assert!(messages.iter().all(|message| message.json()["sweep"]["since"] == 7), "the sweep began anew");
    // Without a queue it is done in place.
    let mut function = stage().without_env("WORK_QUEUE_URL").repositories(names(30)).start();
    assert_eq!(function.invoke(&forgotten(false)).response(), json!({ "batchItemFailures": [] }));
    assert_eq!(function.count(SetRepositoryPolicy), 30);
}

#[test]
fn a_list_begins_anew_only_once() {
    let slow = Fault::Late(Duration::from_secs(4));
    let mut function = stage().repositories(names(60)).page(30).start();
    function.process.wait_for_start();
    function.aws.set_fault(DescribeRepositories, Fault::Late(Duration::ZERO), Often::Once);
    function.aws.set_fault(DescribeRepositories, slow, Often::Always);
    let answer = function.invoke_within(&forgotten(false), Duration::from_secs(6));
    assert_eq!(answer.response(), json!({ "batchItemFailures": [] }));
    let rest = function.messages().pop().unwrap().json();
    assert_eq!((&rest["sweep"]["anew"], rest["sweep"]["next"].is_string()), (&json!(true), true), "{rest}");
    function.aws.clear_faults();
    let response = function.invoke(&forgotten(true)).response();
    assert_eq!(response["batchItemFailures"].as_array().unwrap().len(), 1);
    assert!(function.messages().is_empty());
}

#[test]
fn a_token_that_ecr_forgets_within_an_invocation_fails_the_sweep() {
    let mut function = stage().repositories(names(60)).page(30).start();
    let message = "Invalid parameter at 'nextToken'";
    function.aws.set_fault(DescribeRepositories, Fault::Late(Duration::ZERO), Often::Once);
    function.aws.set_fault(DescribeRepositories, Fault::Refused("InvalidParameterException", message), Often::Once);
    let failure = function.invoke(&scheduled()).failure();
    assert_eq!(failure.kind, "ServiceUnavailable", "{}", failure.message);
}

#[test]
fn a_name_that_cannot_be_one_stops_no_sweep() {
    let registry = || stage().repositories(names(30)).repository("Team/Odd");
    let mut function = registry().start();
    assert_eq!(function.invoke(&scheduled()).response(), json!({ "outcomes": [], "queued": 30 }));
    assert_eq!(parts(&function.messages()).concat().len(), 30);
    for word in ["InvalidEvent", "`Team/Odd`"] {
        function.process.wait_for_log(word);
    }
    let mut function = registry().without_env("WORK_QUEUE_URL").start();
    let response = function.invoke(&scheduled()).response();
    assert_eq!(response["outcomes"].as_array().unwrap().len(), 30);
    function.process.wait_for_log("`Team/Odd`");
    assert_eq!(function.aws.policy(REGION, "Team/Odd"), None);
}

#[test]
fn a_queue_that_cannot_be_written_fails_the_sweep() {
    let nothing = "AWS.SimpleQueueService.NonExistentQueue";
    let arn = "arn:aws:sqs:eu-west-1:123456789012:ecr-autopolicy-work";
    let cases: [(Fault, &str, &[&str]); 6] = [
        (Fault::Denied, "AccessDenied", &["sqs:SendMessage", arn]),
        (Fault::Throttle, "Throttled", &["sqs:SendMessage", "RequestThrottled"]),
        (Fault::ServerError, "ServiceUnavailable", &["sqs:SendMessage"]),
        (Fault::Silence, "ServiceUnavailable", &["sqs:SendMessage"]),
        (Fault::Refused(nothing, "The specified queue does not exist."), "ServiceUnavailable", &[nothing, WORK_QUEUE]),
        (Fault::Partly(0), "ServiceUnavailable", &["sqs:SendMessage", "InternalError"]),
    ];
    each_at_once(cases, |(fault, kind, words)| {
        let mut function = stage().repositories(names(60)).start();
        function.process.wait_for_start();
        function.aws.set_fault(SendMessageBatch, fault, Often::Always);
        let failure = function.invoke_within(&scheduled(), Duration::from_millis(2_500)).failure();
        assert_eq!(failure.kind, kind, "{}", failure.message);
        assert!(!failure.late, "it answered after the deadline: {}", failure.message);
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        function.check_message(&failure.message, kind, &words);
        assert_eq!(function.count(GetRepositoryPolicy), 0);

        // Lambda tries again: what was put on the queue the first time does no harm the second.
        function.aws.clear_faults();
        assert_eq!(function.invoke(&scheduled()).response(), json!({ "outcomes": [], "queued": 60 }));
        work_off(&mut function);
        assert_eq!(not_in_line(&function), Vec::<String>::new());
    });
}

#[test]
fn a_queue_that_fails_for_a_moment_fails_no_sweep() {
    each([Fault::Throttle, Fault::ServerError, Fault::Unavailable, Fault::Reset], |fault| {
        let mut function = stage().repositories(names(60)).fault(SendMessageBatch, fault, Often::Once).start();
        assert_eq!(function.invoke(&scheduled()).response(), json!({ "outcomes": [], "queued": 60 }));
        assert_eq!(function.count(SendMessageBatch), 2);
        assert_eq!(parts(&function.messages()).concat().len(), 60);
    });
}

#[test]
fn a_part_reads_a_configuration_that_is_older_than_its_sweep_once_more() {
    let part = |since: u64| {
        let sweep = json!({ "registry": ACCOUNT, "region": REGION, "since": since, "repositories": ["team/app"] });
        delivery(&[json!({ "sweep": sweep }).to_string()])
    };
    let mut function = stage().repository("team/app").env("POLICY_CACHE_SECONDS", "300").start();
    let before = now();
    function.invoke(&created("team/app")).response();
    assert_eq!(function.aws.calls().iter().filter(|call| call.operation == GetParameter).count(), 1);
    // What it remembers is newer than this sweep.
    function.invoke(&part(before)).response();
    assert_eq!(function.count(GetParameter), 0);
    // Of this one it knows that the configuration was changed before it.
    function.aws.set_parameter(r#"{"rules": []}"#, false);
    function.invoke(&part(now() + 1)).response();
    assert_eq!(function.count(GetParameter), 1);
    assert_eq!(function.aws.policy(REGION, "team/app"), None);
    // Another machine's clock may be ahead, even by much.
    for since in [now() + 3_600_000, u64::MAX] {
        assert_eq!(function.invoke(&part(since)).response(), json!({ "batchItemFailures": [] }));
        assert_eq!(function.count(GetParameter), 1);
    }
}

#[test]
fn one_process_reads_the_configuration_ahead_and_once_for_the_whole_of_a_sweep() {
    let mut function = stage().repositories(names(100)).env("POLICY_CACHE_SECONDS", "300").start();
    function.invoke(&scheduled()).response();
    work_off(&mut function);
    assert_eq!(not_in_line(&function), Vec::<String>::new());
    assert_eq!(function.aws.calls().iter().filter(|call| call.operation == GetParameter).count(), 2);
}

#[test]
fn only_sweeps_are_put_on_the_queue() {
    let mut function = stage().repository("team/app").start();
    let applied = || Scenario::Applied(policy(&[workloads_statement()]));
    function.check(&created("team/app"), applied());
    function.aws.set_repository(REGION, "team/app", None);
    function.check(&policy_set("team/app"), applied());
    assert!(function.messages().is_empty());
}

#[test]
fn the_log_says_how_many_were_put_on_the_queue() {
    let mut function = stage().repositories(names(60)).start();
    function.invoke(&scheduled()).response();
    function.process.wait_for_log("sweep");
    let logs = function.process.logs();
    let lines: Vec<Value> = logs.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [line] = lines.as_slice() else { panic!("{logs}") };
    assert_eq!((&line["registry"], &line["region"]), (&json!(ACCOUNT), &json!(REGION)));
    assert_eq!((&line["queued"], &line["more"]), (&json!(60), &json!(false)));
}
