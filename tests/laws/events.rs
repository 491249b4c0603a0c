//! Whatever Lambda hands over, it is acted on, ignored, or refused as no event.

use ecr_autopolicy::{
    error::Error,
    function::{Trigger, read_event},
};
use proptest::{prelude::*, sample::select, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Value, json};

use crate::{
    CASES,
    json::{any_json, mutated},
};

const FUNCTION: &str = "arn:aws:lambda:eu-central-1:111122223333:function:ecr-autopolicy";
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
    select(vec![call, service, failed, of_another_account])
}

/// An event in which up to two parts are something else, or missing.
fn an_odd_event() -> impl Strategy<Value = Value> {
    let change = (any::<prop::sample::Index>(), prop::option::of(any_json(WORDS)));
    (an_event(), prop::collection::vec(change, 0..3))
        .prop_map(|(event, changes)| changes.into_iter().fold(event, |event, (at, part)| mutated(&event, at, part)))
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
}

/// The law would prove nothing if no event were acted on.
#[test]
fn some_odd_events_are_acted_on_some_are_ignored_and_some_refused() {
    let mut runner = TestRunner::deterministic();
    let (mut acted_on, mut ignored, mut refused) = (0, 0, 0);
    for _ in 0..1_000 {
        match read_event(an_odd_event().new_tree(&mut runner).unwrap().current(), FUNCTION) {
            Ok(Trigger::Ignored(_)) => ignored += 1,
            Ok(_) => acted_on += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(acted_on > 100 && ignored > 50 && refused > 100, "{acted_on}, {ignored}, {refused}");
}
