//! Whatever Lambda hands us is read, ignored or refused, and only our own account's registry is ever touched. So are the
//! messages of a queue, each for itself, and none is lost on the way.

#![no_main]

use ecr_autopolicy::{
    error::Error,
    function::{Sweep, Trigger, read_event, read_messages},
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const FUNCTION: &str = "arn:aws:lambda:eu-central-1:111122223333:function:ecr-autopolicy";

fuzz_target!(|text: &str| {
    let Ok(event) = serde_json::from_str::<Value>(text) else { return };
    match read_messages(&event) {
        Ok(None) => check(event),
        Ok(Some(messages)) => {
            assert_eq!(Some(messages.len()), event["Records"].as_array().map(Vec::len));
            for message in messages {
                match message.event() {
                    Ok(event) => check(event),
                    Err(error) => assert!(matches!(error, Error::InvalidEvent(_)), "{error}"),
                }
            }
        }
        Err(error) => assert!(matches!(error, Error::InvalidEvent(_)), "{error}"),
    }
});

fn check(event: Value) {
    match read_event(event, FUNCTION) {
        Ok(Trigger::Ignored(why)) => assert!(!why.is_empty()),
        Ok(Trigger::Sweep(sweep)) => {
            assert_eq!(sweep.registry.id(), "111122223333");
            assert_eq!(read_again(&sweep), Ok(Trigger::Sweep(sweep)));
        }
        Ok(trigger) => assert_eq!(trigger.registry().map(|registry| registry.id()), Some("111122223333")),
        Err(error) => assert!(matches!(error, Error::InvalidEvent(_)), "{error}"),
    }
}

/// The message that the sweep would be put on the queue as, read.
fn read_again(sweep: &Sweep) -> Result<Trigger, Error> {
    read_event(serde_json::from_str(&sweep.to_message()).expect("a message is JSON"), FUNCTION)
}
