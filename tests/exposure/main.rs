//! Whether what `exposure` calls narrow is narrow, by a brute-force evaluation that shares nothing with it.
//!
//! `evaluator` is IAM as documented, `universe` the requests that a policy may meet, and `statements` the policies.

mod evaluator;
mod statements;
mod universe;

use ecr_autopolicy::policy::{
    document::Document,
    exposure::{Exposure, exposure},
};
use evaluator::{Request, allows};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Value, json};

fn judged(statement: &Value) -> Option<Exposure> {
    let document = Document::from_value(json!({ "Statement": statement })).ok()?;
    document.statements.first().map(exposure)
}

fn admitted_stranger(statement: &Value) -> Option<Request> {
    universe::strangers(statement).into_iter().find(|stranger| allows(statement, stranger))
}

/// The law on one statement that came near to breaking it.
#[track_caller]
fn check(principal: &Value, condition: &Value) {
    let statement = json!({ "Effect": "Allow", "Principal": principal, "Action": "ecr:*", "Condition": condition });
    assert!(admitted_stranger(&statement).is_some(), "nobody strange gets in by {statement:#}");
    assert_ne!(judged(&statement), Some(Exposure::Narrow), "{statement:#}");
}

#[test]
fn a_tag_whose_key_looks_like_an_account_pins_none() {
    let arn = "arn:aws:${aws:PrincipalTag/x:444455556666:y}";
    for operator in ["StringLike", "StringEquals", "ArnLike", "ArnEquals"] {
        check(&json!("*"), &json!({ operator: { "aws:PrincipalArn": arn } }));
    }
}

#[test]
fn an_open_region_swallows_the_account_where_a_name_may_look_like_one() {
    let services = json!({ "Service": ["codebuild.amazonaws.com", "lambda.amazonaws.com"] });
    for arn in [
        "arn:aws:lambda:*:444455556666:*",
        "arn:aws:cloudwatch:*:444455556666:*",
        "arn:aws:cloudwatch:*:444455556666:alarm:*",
    ] {
        for principal in [&services, &json!("*")] {
            check(principal, &json!({ "StringLike": { "aws:SourceArn": arn } }));
        }
    }
}

/// The generator would prove nothing if all it made were open, or if nobody at all could pass what is narrow.
#[test]
fn the_statements_are_of_every_sort() {
    const MANY: usize = 10_000;
    let mut runner = TestRunner::deterministic();
    let friends = universe::friends();
    let mut count = Count::default();
    for _ in 0..MANY {
        let statement = statements::a_statement().new_tree(&mut runner).unwrap().current();
        match judged(&statement) {
            Some(Exposure::Narrow) => {
                count.narrow += 1;
                count.narrow_for_friends += usize::from(friends.iter().any(|friend| allows(&statement, friend)));
            }
            Some(Exposure::AnyoneThrough(_)) => count.through_a_service += 1,
            Some(Exposure::Public(_)) => {
                count.public += 1;
                count.public_for_strangers += usize::from(admitted_stranger(&statement).is_some());
            }
            None => {}
        }
    }
    println!("{count:?}");
    assert!(count.narrow > MANY / 4 && count.narrow_for_friends > count.narrow / 4, "{count:?}");
    assert!(count.public > MANY / 4 && count.public_for_strangers > count.public / 4, "{count:?}");
    assert!(count.through_a_service > MANY / 50, "{count:?}");
}

#[derive(Debug, Default)]
struct Count {
    narrow: usize,
    narrow_for_friends: usize,
    public: usize,
    public_for_strangers: usize,
    through_a_service: usize,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn what_is_called_narrow_lets_no_stranger_in(statement in statements::a_statement()) {
        if judged(&statement) == Some(Exposure::Narrow) {
            let stranger = admitted_stranger(&statement);
            prop_assert!(stranger.is_none(), "{statement:#} is called narrow, and lets in {stranger:#?}");
        }
    }
}
