//! What the work queue delivers: parts of a sweep, repairs, and whatever was moved back from the failure queue.

use std::time::Duration;

use serde_json::{Value, json};

use crate::aws::{
    ACCOUNT, Fault, GetParameter, GetRepositoryPolicy, Often, PARAMETER, REGION, SendMessageBatch, SetRepositoryPolicy,
};
use crate::creation::{workloads, workloads_statement};
use crate::document::policy;
use crate::event::{
    created, created_by_ecr, delivery, given_up, message_id, parameter_changed, part, policy_deleted, policy_set,
    scheduled, scheduled_by_scheduler, with, without,
};
use crate::scenario::{Scenario, check, each, each_at_once};
use crate::stage::{Function, Stage};

/// No message.
const NONE: [usize; 0] = [];

fn stage() -> Stage {
    Stage::new().configuration(&workloads()).repository("team/app").queue()
}

/// The messages that fail of these, by their numbers.
#[track_caller]
fn failed(function: &mut Function, bodies: &[String]) -> Vec<usize> {
    failed_within(function, bodies, Duration::from_secs(20))
}

#[track_caller]
fn failed_within(function: &mut Function, bodies: &[String], time: Duration) -> Vec<usize> {
    let answer = function.invoke_within(&delivery(bodies), time);
    let response = answer.response();
    let keys: Vec<&String> = response.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["batchItemFailures"], "{response:#}");
    let failures = response["batchItemFailures"].as_array().unwrap();
    let number = |failure: &Value| {
        assert_eq!(failure.as_object().unwrap().len(), 1, "{failure}");
        (0..bodies.len()).find(|number| failure["itemIdentifier"] == message_id(*number)).unwrap()
    };
    failures.iter().map(number).collect()
}

/// The repositories that have our policy.
fn in_line(function: &Function) -> Vec<String> {
    let policies = function.aws.policies().into_iter();
    let ours = policies.filter(|(_, policy)| policy.as_ref().is_some_and(|it| it.contains("AutoPolicyWorkloads")));
    ours.map(|((_, name), _)| name).collect()
}

fn sweep(sweep: &Value) -> String {
    json!({ "sweep": sweep }).to_string()
}

#[test]
fn a_message_is_acted_on_whichever_of_our_shapes_it_has() {
    let events = [
        ("a creation", created("team/app")),
        ("a creation by ECR itself", created_by_ecr("team/app")),
        ("somebody's policy", policy_set("team/app")),
        ("a deleted policy", policy_deleted("team/app")),
        ("part of a sweep", part(&["team/app"])),
    ];
    each(events, |(_, event)| {
        for body in [event.to_string(), format!("{event:#}"), given_up(&event).to_string()] {
            let mut function = stage().start();
            assert_eq!(failed(&mut function, std::slice::from_ref(&body)), NONE, "{body}");
            assert_eq!(function.ecr_calls(), [GetRepositoryPolicy, SetRepositoryPolicy]);
            assert_eq!(in_line(&function), ["team/app"]);
            // SQS delivers at least once.
            assert_eq!(failed(&mut function, &[body]), NONE);
            assert_eq!(function.ecr_calls(), [GetRepositoryPolicy]);
        }
    });
}

#[test]
fn a_sweep_that_was_moved_back_begins_again() {
    for event in [scheduled(), scheduled_by_scheduler(), parameter_changed("Update", PARAMETER)] {
        for body in [event.to_string(), given_up(&event).to_string()] {
            let mut function = stage().start();
            assert_eq!(failed(&mut function, std::slice::from_ref(&body)), NONE);
            let messages = function.messages();
            let [message] = messages.as_slice() else { panic!("{messages:?}") };
            assert_eq!(failed(&mut function, std::slice::from_ref(&message.body)), NONE);
            assert_eq!(in_line(&function), ["team/app"]);

            let mut function = stage().without_env("WORK_QUEUE_URL").start();
            assert_eq!(failed(&mut function, &[body]), NONE);
            assert_eq!(in_line(&function), ["team/app"]);
        }
    }
}

#[test]
fn a_record_of_lambda_s_is_opened_where_it_comes_by_itself_too() {
    let applied = Scenario::Applied(policy(&[workloads_statement()]));
    check(stage(), &given_up(&created("team/app")), applied);
    let other = with(created("team/app"), "/detail/eventName", json!("PutImage"));
    check(stage(), &given_up(&other), Scenario::RadioSilence(vec!["PutImage"]));
    let nothing = given_up(&json!({}));
    for record in
        [without(nothing.clone(), "/requestPayload"), with(nothing.clone(), "/requestPayload", json!(null)), nothing]
    {
        check(stage(), &record, Scenario::Garbage);
    }
    // An event that is no such record is read as it stands.
    let odd = with(created("team/app"), "/requestPayload", json!({ "key1": "value1" }));
    check(stage(), &odd, Scenario::Applied(policy(&[workloads_statement()])));
}

#[test]
fn what_is_ignored_or_gone_has_not_failed() {
    let refused = with(created("team/app"), "/detail/errorCode", json!("RepositoryAlreadyExistsException"));
    let own = format!("arn:aws:sts::{ACCOUNT}:assumed-role/role/ecr-autopolicy");
    let bodies = [
        refused.to_string(),
        given_up(&refused).to_string(),
        with(created("team/app"), "/detail/eventSource", json!("codecommit.amazonaws.com")).to_string(),
        with(policy_set("team/app"), "/detail/userIdentity/arn", json!(own)).to_string(),
        with(scheduled(), "/account", json!("999988887777")).to_string(),
        parameter_changed("Delete", PARAMETER).to_string(),
        parameter_changed("Update", "/another/one").to_string(),
        sweep(&json!({ "registry": "999988887777", "region": REGION })),
        sweep(&json!({ "registry": "999988887777", "region": REGION, "repositories": ["team/app"] })),
        sweep(&json!({ "registry": ACCOUNT, "region": REGION, "repositories": [] })),
        created("team/none").to_string(),
        policy_set("team/none").to_string(),
        part(&["team/none"]).to_string(),
        part(&["team/none", "team/nobody"]).to_string(),
    ];
    let mut function = stage().start();
    assert_eq!(failed(&mut function, &bodies), NONE);
    assert_eq!(in_line(&function), Vec::<String>::new());
    assert_eq!(function.count(SetRepositoryPolicy), 0);
    assert!(function.messages().is_empty());
}

#[test]
fn a_message_that_is_none_of_ours_fails_alone() {
    let ours = || created("team/app").to_string();
    let name = |names: Value| sweep(&json!({ "registry": ACCOUNT, "region": REGION, "repositories": names }));
    let odd = |key: &str, value: Value| {
        let mut body = json!({ "registry": ACCOUNT, "region": REGION, "since": 7, "repositories": ["team/app"] });
        body[key] = value;
        sweep(&body)
    };
    let notification = json!({
        "Type": "Notification", "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": format!("arn:aws:sns:{REGION}:{ACCOUNT}:topic"), "Message": ours()
    });
    let strange = [
        ("nothing", String::new()),
        ("text", "hello".to_owned()),
        ("half of an event", ours().chars().take(200).collect()),
        ("an event and more", ours() + "}"),
        ("XML", "<event/>".to_owned()),
        ("null", "null".to_owned()),
        ("a number", "42".to_owned()),
        ("an event as a text", json!(ours()).to_string()),
        ("events in a list", json!([created("team/app")]).to_string()),
        ("no event", "{}".to_owned()),
        ("another event", json!({ "detail-type": "ECR Image Action", "account": ACCOUNT }).to_string()),
        ("a notification", notification.to_string()),
        ("a delivery in a delivery", delivery(&[ours()]).to_string()),
        ("a name that ECR forbids", created("Team/App").to_string()),
        ("a record of nothing", given_up(&json!(null)).to_string()),
        ("a record of a record", given_up(&given_up(&created("team/app"))).to_string()),
        ("no part", sweep(&json!(null))),
        ("a part that is a text", sweep(&json!("all"))),
        ("a part of nowhere", sweep(&json!({ "registry": ACCOUNT }))),
        ("a part of no registry", sweep(&json!({ "region": REGION }))),
        ("an account that is none", odd("registry", json!("mine"))),
        ("an account that is a number", odd("registry", json!(123_456_789_012_u64))),
        ("a Region that is none", odd("region", json!("../evil"))),
        ("an unknown key", odd("force", json!(true))),
        ("a misspelt key", odd("repository", json!("team/app"))),
        ("a list and a token", odd("next", json!("page-after-1"))),
        ("a time that is a text", odd("since", json!("today"))),
        ("a time before time", odd("since", json!(-1))),
        ("names that are none", name(json!("team/app"))),
        ("a name that is a number", name(json!(["team/app", 7]))),
        ("a name among names that ECR forbids", name(json!(["team/app", "Team/App"]))),
        ("a name that leads elsewhere", name(json!(["../../app"]))),
    ];
    each(strange, |(_, body)| {
        let mut function = stage().repository("team/two").start();
        let bodies = [created("team/two").to_string(), body.clone(), part(&["team/app"]).to_string()];
        assert_eq!(failed(&mut function, &bodies), [1]);
        function.process.wait_for_log("InvalidEvent");
        assert_eq!(in_line(&function), ["team/app", "team/two"]);

        // Alone it does nothing at all.
        let mut function = stage().start();
        assert_eq!(failed(&mut function, &[body]), [0]);
        assert_eq!((function.count(GetParameter), function.ecr_calls()), (0, vec![]));
        assert!(function.messages().is_empty());
    });
}

#[test]
fn records_that_are_no_queue_s_are_refused() {
    let sns = json!({ "Records": [{
        "EventVersion": "1.0", "EventSource": "aws:sns",
        "EventSubscriptionArn": format!("arn:aws:sns:{REGION}:{ACCOUNT}:topic:21be56ed"),
        "Sns": { "Type": "Notification", "MessageId": "95df01b4", "Message": created("team/app").to_string() }
    }]});
    let s3 = json!({ "Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": REGION, "eventName": "ObjectCreated:Put",
        "s3": { "bucket": { "name": "bucket" }, "object": { "key": "repositories.json", "size": 1024 } }
    }]});
    let kinesis = json!({ "Records": [{
        "kinesis": { "partitionKey": "1", "sequenceNumber": "495903382714", "data": "SGVsbG8=" },
        "eventSource": "aws:kinesis", "eventVersion": "1.0", "awsRegion": REGION
    }]});
    let queue = delivery(&[created("team/app").to_string()]);
    let cases = [
        ("SNS", sns),
        ("S3", s3),
        ("Kinesis", kinesis),
        ("another source of the same shape", with(queue.clone(), "/Records/0/eventSource", json!("aws:mq"))),
        ("no id", without(queue.clone(), "/Records/0/messageId")),
        ("no body", without(queue.clone(), "/Records/0/body")),
        ("a body that is no text", with(queue.clone(), "/Records/0/body", created("team/app"))),
        ("no source", without(queue.clone(), "/Records/0/eventSource")),
        ("a record that is a text", with(queue.clone(), "/Records", json!(["{}"]))),
        ("records that are none", with(queue, "/Records", json!({}))),
    ];
    each(cases, |(_, event)| check(stage(), &event, Scenario::Garbage));
}

#[test]
fn of_many_messages_only_those_that_fail_are_handed_out_again() {
    let mut stage = stage();
    let names: Vec<String> = (0..10).map(|number| format!("team/app{number}")).collect();
    for name in &names {
        stage = stage.repository(name);
    }
    let mut function = stage
        .fault_of("team/app3", GetRepositoryPolicy, Fault::Denied, Often::Always)
        .fault_of("team/app7", SetRepositoryPolicy, Fault::Denied, Often::Always)
        .start();
    let bodies: Vec<String> = names.iter().map(|name| created(name).to_string()).collect();
    assert_eq!(failed(&mut function, &bodies), [3, 7]);
    for name in ["team/app3", "team/app7"] {
        function.process.wait_for_log(name);
    }
    assert_eq!(in_line(&function).len(), 8);
    function.aws.clear_faults();
    assert_eq!(failed(&mut function, &[bodies[3].clone(), bodies[7].clone()]), NONE);
    assert_eq!(in_line(&function).len(), 10);
}

#[test]
fn every_message_fails_where_there_is_no_configuration() {
    let stage = || Stage::new().repository("team/app").queue();
    let denied = stage().configuration(&workloads()).fault(GetParameter, Fault::Denied, Often::Always);
    for (stage, kind) in
        [(stage(), "ConfigurationMissing"), (stage().parameter("{}"), "ConfigurationInvalid"), (denied, "AccessDenied")]
    {
        let mut function = stage.start();
        let bodies = [created("team/app"), policy_set("team/app"), part(&["team/app"]), scheduled()];
        assert_eq!(failed(&mut function, &bodies.map(|event| event.to_string())), [0, 1, 2, 3]);
        function.process.wait_for_log(kind);
        assert_eq!(in_line(&function), Vec::<String>::new());
        assert!(function.messages().is_empty());
    }
}

#[test]
fn repositories_that_fail_in_company_are_handed_on_alone_and_later() {
    let names: Vec<String> = (0..25).map(|number| format!("team/app{number:02}")).collect();
    let mut function = stage()
        .repositories(&names)
        .fault_of("team/app04", GetRepositoryPolicy, Fault::Denied, Often::Always)
        .fault_of("team/app19", SetRepositoryPolicy, Fault::Denied, Often::Always)
        .start();
    let whole =
        sweep(&json!({ "registry": ACCOUNT, "region": REGION, "since": 1_700_000_000_123_u64, "repositories": names }));
    assert_eq!(failed(&mut function, &[whole]), NONE);
    assert_eq!(in_line(&function).len(), 23);

    let alone = function.messages();
    let expected = ["team/app04", "team/app19"].map(|name| {
        json!({ "sweep": {
            "registry": ACCOUNT, "region": REGION, "since": 1_700_000_000_123_u64, "repositories": [name]
        }})
    });
    assert_eq!(alone.iter().map(crate::aws::Message::json).collect::<Vec<_>>(), expected);
    for message in &alone {
        assert!(message.delay.is_some_and(|seconds| seconds > 0), "{message:?}");
    }
    // Alone it fails its message: then the queue counts, and in the end the failure queue keeps it.
    let bodies: Vec<String> = alone.into_iter().map(|message| message.body).collect();
    assert_eq!(failed(&mut function, &bodies), [0, 1]);
    assert!(function.messages().is_empty());
    function.aws.clear_faults();
    assert_eq!(failed(&mut function, &bodies), NONE);
    assert_eq!(in_line(&function).len(), 25);
}

#[test]
fn a_part_of_which_everything_fails_is_handed_on_one_by_one() {
    let names: Vec<String> = (0..25).map(|number| format!("team/app{number:02}")).collect();
    let mut function = stage().repositories(&names).fault(SetRepositoryPolicy, Fault::Denied, Often::Always).start();
    assert_eq!(failed(&mut function, &[part(&names).to_string()]), NONE);
    let alone: Vec<Value> =
        function.messages().iter().map(|message| message.json()["sweep"]["repositories"].clone()).collect();
    assert_eq!(alone, names.iter().map(|name| json!([name])).collect::<Vec<_>>());
    assert_eq!(function.count(SendMessageBatch), 3);
}

#[test]
fn repositories_that_cannot_be_handed_on_fail_their_message() {
    let names = ["team/one", "team/two", "team/six"];
    let stage = |stage: Stage| {
        stage.repositories(names).fault_of("team/two", SetRepositoryPolicy, Fault::Denied, Often::Always)
    };
    let without_a_queue = || stage(self::stage().without_env("WORK_QUEUE_URL"));
    let queue = |fault: Fault| stage(self::stage()).fault(SendMessageBatch, fault, Often::Always);
    for stage in [without_a_queue(), queue(Fault::Denied), queue(Fault::Partly(0))] {
        let mut function = stage.start();
        assert_eq!(failed(&mut function, &[part(&names).to_string()]), [0]);
        assert_eq!(in_line(&function), ["team/one", "team/six"]);
    }
}

#[test]
fn messages_fail_before_the_deadline_where_a_service_does_not_answer() {
    each_at_once([Fault::Silence, Fault::Throttle, Fault::ServerError], |fault| {
        let names: Vec<String> = (0..250).map(|number| format!("team/app{number:03}")).collect();
        let mut function = stage().repositories(&names).start();
        function.process.wait_for_start();
        function.aws.set_fault(GetRepositoryPolicy, fault, Often::Always);
        let bodies: Vec<String> = names.chunks(25).map(|names| part(names).to_string()).collect();
        let failed = failed_within(&mut function, &bodies, Duration::from_secs(3));
        // A message has failed, or its repositories have been handed on: none is lost.
        let handed_on: usize = function
            .messages()
            .iter()
            .map(|message| message.json()["sweep"]["repositories"].as_array().unwrap().len())
            .sum();
        assert!(failed.len() * 25 + handed_on >= 250, "{failed:?} failed, and {handed_on} were handed on");
    });
}
