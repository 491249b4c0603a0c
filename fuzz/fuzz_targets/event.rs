//! Whatever Lambda hands us is read, ignored or refused, and only our own account's registry is ever touched.

#![no_main]

use ecr_autopolicy::{
    error::Error,
    function::{Trigger, read_event},
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const FUNCTION: &str = "arn:aws:lambda:eu-central-1:111122223333:function:ecr-autopolicy";

fuzz_target!(|text: &str| {
    let Ok(event) = serde_json::from_str::<Value>(text) else { return };
    match read_event(event, FUNCTION) {
        Ok(Trigger::Ignored(why)) => assert!(!why.is_empty()),
        Ok(trigger) => assert_eq!(trigger.registry().map(|registry| registry.id()), Some("111122223333")),
        Err(error) => assert!(matches!(error, Error::InvalidEvent(_)), "{error}"),
    }
});
