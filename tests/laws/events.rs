//! Whatever Lambda hands over, it is acted on, ignored, or refused as no event.

use ecr_autopolicy::{
    error::Error,
    function::{Part, Sweep, Trigger, read_event, read_messages},
    repository::Registry,
};
use proptest::{collection::vec, prelude::*, sample::select, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Value, json};

use crate::{
    CASES, a_repository,
    json::{any_json, mutated},
};

const FUNCTION: &str = "arn:aws:lambda:eu-central-1:111122223333:function:ecr-autopolicy";
/// Who writes in the function's name.
const OWN: &str = "arn:aws:sts::111122223333:assumed-role/role/ecr-autopolicy";
const WORDS: &[&str] = &[
    "detail-type",
    "detail",
    "account",
    "region",
    "eventSource",
    "eventName",
    "errorCode",
    "awsRegion",
    "recipientAccountId",
    "requestParameters",
    "responseElements",
    "serviceEventDetails",
    "repository",
    "repositoryName",
    "registryId",
    "tags",
    "key",
    "value",
    "AWS API Call via CloudTrail",
    "AWS Service Event via CloudTrail",
    "ecr.amazonaws.com",
    "CreateRepository",
    "111122223333",
    "444455556666",
    "eu-central-1",
    "team/app",
    "userIdentity",
    "arn",
    "arn:aws:sts::111122223333:assumed-role/role/ecr-autopolicy",
    "SetRepositoryPolicy",
    "DeleteRepositoryPolicy",
    "Parameter Store Change",
    "Scheduled Event",
    "operation",
    "Update",
    "name",
    "/ecr-autopolicy/configuration",
    "sweep",
    "registry",
    "since",
    "next",
    "repositories",
    "requestContext",
    "requestPayload",
    "Records",
    "messageId",
    "body",
    "aws:sqs",
];

fn an_event() -> impl Strategy<Value = Value> {
    let call = json!({
        "detail-type": "AWS API Call via CloudTrail", "source": "aws.ecr", "account": "111122223333", "region": "eu-central-1",
        "detail": {
            "eventSource": "ecr.amazonaws.com", "eventName": "CreateRepository", "awsRegion": "eu-central-1",
            "requestParameters": { "repositoryName": "team/app", "tags": [{ "key": "team", "value": "pay" }] },
            "responseElements": { "repository": { "repositoryName": "team/app", "registryId": "111122223333" } },
            "recipientAccountId": "111122223333"
        }
    });
    let service = json!({
        "detail-type": "AWS Service Event via CloudTrail", "account": "111122223333", "region": "eu-central-1",
        "detail": {
            "eventSource": "replication.ecr.amazonaws.com", "eventName": "CreateRepository",
            "requestParameters": null, "responseElements": null, "serviceEventDetails": { "repositoryName": "team/app" }
        }
    });
    let mut failed = call.clone();
    let mut of_another_account = call.clone();
    if let Some(detail) = failed.get_mut("detail").and_then(Value::as_object_mut) {
        detail.insert("errorCode".to_owned(), json!("RepositoryAlreadyExistsException"));
    }
    if let Some(registry) = of_another_account.pointer_mut("/detail/responseElements/repository/registryId") {
        *registry = json!("444455556666");
    }
    select([vec![call, service, failed, of_another_account], policies(), sweeps()].concat())
}

/// What somebody, and the function itself, did to a policy.
fn policies() -> Vec<Value> {
    let by = |name: &str, arn: &str| {
        json!({
            "detail-type": "AWS API Call via CloudTrail", "account": "111122223333", "region": "eu-central-1",
            "detail": {
                "userIdentity": { "type": "AssumedRole", "arn": arn },
                "eventSource": "ecr.amazonaws.com", "eventName": name, "awsRegion": "eu-central-1",
                "requestParameters": { "registryId": "111122223333", "repositoryName": "team/app" },
                "recipientAccountId": "111122223333"
            }
        })
    };
    vec![
        by("SetRepositoryPolicy", "arn:aws:sts::111122223333:assumed-role/Developer/ada"),
        by("DeleteRepositoryPolicy", "arn:aws:iam::111122223333:user/ada"),
        by("SetRepositoryPolicy", OWN),
    ]
}

/// What leads to a sweep, and the parts of one.
fn sweeps() -> Vec<Value> {
    let (account, region) = ("111122223333", "eu-central-1");
    let change = |operation: &str| {
        json!({
            "detail-type": "Parameter Store Change", "source": "aws.ssm", "account": account, "region": region,
            "detail": { "operation": operation, "name": "/ecr-autopolicy/configuration", "type": "String" }
        })
    };
    let schedule = json!({
        "detail-type": "Scheduled Event", "source": "aws.scheduler", "account": account, "region": region, "detail": "{}"
    });
    let all = json!({ "sweep": { "registry": account, "region": region } });
    let rest =
        json!({ "sweep": { "registry": account, "region": region, "since": 1_700_000_000_000_u64, "next": "token" } });
    let part =
        json!({ "sweep": { "registry": account, "region": region, "since": 7, "repositories": ["team/app", "00"] } });
    let others = json!({ "sweep": { "registry": "444455556666", "region": region, "repositories": ["team/app"] } });
    let record = given_up(part.clone());
    vec![change("Update"), change("Delete"), schedule, all, rest, part, others, record]
}

/// Lambda's record of an event that it gave up on.
fn given_up(event: Value) -> Value {
    json!({
        "version": "1.0", "requestContext": { "condition": "RetriesExhausted", "approximateInvokeCount": 3 },
        "requestPayload": event, "responseContext": { "functionError": "Unhandled" }
    })
}

/// Messages of a queue, each of which is an event, or something else.
fn a_delivery() -> impl Strategy<Value = Value> {
    let body = prop_oneof![
        4 => an_odd_event().prop_map(|event| event.to_string()),
        1 => any::<String>(),
        1 => any_json(WORDS).prop_map(|value| value.to_string()),
    ];
    vec(body, 0..4).prop_map(|bodies| {
        let record = |(number, body): (usize, String)| {
            json!({
                "messageId": format!("message-{number}"), "receiptHandle": "handle", "body": body,
                "attributes": { "ApproximateReceiveCount": "1" }, "eventSource": "aws:sqs", "awsRegion": "eu-central-1"
            })
        };
        json!({ "Records": bodies.into_iter().enumerate().map(record).collect::<Vec<_>>() })
    })
}

/// An event in which up to two parts are something else, or missing.
fn an_odd_event() -> impl Strategy<Value = Value> {
    odd(an_event())
}

fn odd(event: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let change = (any::<prop::sample::Index>(), prop::option::of(any_json(WORDS)));
    (event, vec(change, 0..3))
        .prop_map(|(event, changes)| changes.into_iter().fold(event, |event, (at, part)| mutated(&event, at, part)))
}

/// A part of a registry.
fn a_sweep() -> impl Strategy<Value = Sweep> {
    let names = vec(a_repository(), 1..30);
    (names, prop::option::of(any::<u64>()), any::<String>(), 0..3).prop_filter_map(
        "a sweep",
        |(repositories, since, token, part)| {
            let registry = Registry::new("111122223333", repositories.first()?.registry().region()).ok()?;
            let ours = repositories.into_iter().filter(|repository| *repository.registry() == registry);
            let part = match part {
                0 => Part::All,
                1 => Part::From { token, anew: false },
                _ => Part::Repositories(ours.collect()),
            };
            Some(Sweep { registry, since, part, scheduled: false })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn no_event_is_too_much(
        event in prop_oneof![3 => an_odd_event(), 1 => any_json(WORDS)],
        function in prop_oneof![5 => Just(FUNCTION.to_owned()), 1 => any::<String>()],
    ) {
        match read_event(event, &function) {
            Ok(Trigger::Ignored(why)) => prop_assert!(!why.is_empty()),
            Ok(trigger) => {
                let account = trigger.registry().unwrap().id();
                prop_assert!(function.contains(account), "{} is not the account of {}", account, function);
            }
            Err(error) => prop_assert!(matches!(error, Error::InvalidEvent(_)), "{}", error),
        }
    }

    #[test]
    fn a_part_of_a_sweep_is_read_as_it_was_written(sweep in a_sweep()) {
        let message: Value = serde_json::from_str(&sweep.to_message()).unwrap();
        prop_assert_eq!(read_event(message.clone(), FUNCTION), Ok(Trigger::Sweep(sweep.clone())));
        let others = read_event(message, "arn:aws:lambda:eu-central-1:444455556666:function:ecr-autopolicy");
        prop_assert!(matches!(others, Ok(Trigger::Ignored(_))), "{:?}", others);
    }

    #[test]
    fn a_record_of_lambda_s_is_what_it_holds(event in an_odd_event()) {
        // A record is opened once: Lambda makes none of its own records.
        prop_assume!(event.get("requestContext").is_none());
        prop_assert_eq!(read_event(given_up(event.clone()), FUNCTION), read_event(event, FUNCTION));
    }

    #[test]
    fn the_function_s_own_write_is_never_answered(event in odd(select(policies()))) {
        let mut event = event;
        if let Some(detail) = event.get_mut("detail").and_then(Value::as_object_mut) {
            detail.insert("userIdentity".to_owned(), json!({ "arn": OWN }));
        }
        let read = read_event(event, FUNCTION);
        prop_assert!(!matches!(read, Ok(Trigger::PolicyChanged(_))), "{:?}", read);
    }

    #[test]
    fn every_message_of_a_queue_is_looked_at(delivery in a_delivery()) {
        let records = delivery["Records"].as_array().cloned().unwrap_or_default();
        let messages = read_messages(&delivery).unwrap().unwrap();
        prop_assert_eq!(messages.len(), records.len());
        for (message, record) in messages.iter().zip(&records) {
            prop_assert_eq!(&json!(message.message_id), &record["messageId"]);
            let body = record["body"].as_str().unwrap_or_default();
            match (message.event(), serde_json::from_str::<Value>(body)) {
                (Ok(event), Ok(expected)) => prop_assert_eq!(event, expected),
                (Err(Error::InvalidEvent(why)), Err(_)) => prop_assert!(why.contains(&message.message_id), "{}", why),
                (found, expected) => prop_assert!(false, "{:?} of {:?}", found, expected),
            }
        }
    }

    #[test]
    fn no_delivery_is_too_much(delivery in prop_oneof![3 => odd(a_delivery()), 1 => any_json(WORDS)]) {
        match read_messages(&delivery) {
            Ok(None) => prop_assert!(delivery.get("Records").is_none()),
            Ok(Some(messages)) => prop_assert_eq!(Some(messages.len()), delivery["Records"].as_array().map(Vec::len)),
            Err(error) => prop_assert!(matches!(error, Error::InvalidEvent(_)), "{}", error),
        }
    }
}

/// The law would prove nothing if no event were acted on.
#[test]
fn some_odd_events_are_acted_on_some_are_ignored_and_some_refused() {
    let mut runner = TestRunner::deterministic();
    let (mut acted_on, mut ignored, mut refused) = (0, 0, 0);
    for _ in 0..2_000 {
        match read_event(an_odd_event().new_tree(&mut runner).unwrap().current(), FUNCTION) {
            Ok(Trigger::Ignored(_)) => ignored += 1,
            Ok(_) => acted_on += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(acted_on > 400 && ignored > 200 && refused > 400, "{acted_on}, {ignored}, {refused}");
}

/// Nor would the one of deliveries, if none had messages.
#[test]
fn some_odd_deliveries_have_messages_and_some_are_refused() {
    let mut runner = TestRunner::deterministic();
    let (mut messages, mut refused) = (0, 0);
    for _ in 0..1_000 {
        match read_messages(&odd(a_delivery()).new_tree(&mut runner).unwrap().current()) {
            Ok(Some(found)) => messages += found.len(),
            Ok(None) => {}
            Err(_) => refused += 1,
        }
    }
    assert!(messages > 400 && refused > 100, "{messages}, {refused}");
}
