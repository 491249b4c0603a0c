//! Is there a stack, and is it whole?

use super::diagnosis::{Check, Topic::Stack as TOPIC};
use crate::aws::deployment::{Seen, Stack};

pub(super) fn check(name: &str, region: &str, stack: &Seen<Stack>) -> Check {
    let stack = match stack {
        Err(unseen) => return Check::unseen(TOPIC, unseen),
        Ok(None) => {
            let remedy =
                "pass the right name to `--stack` and the right Region to `--region`, or deploy it with `sam deploy`";
            return Check::failed(TOPIC, format!("there is no stack `{name}` in {region}"), remedy);
        }
        Ok(Some(stack)) => stack,
    };
    let status = stack.status.as_str();
    let reason = stack.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let found = format!("`{name}` in {region} is in the state {status}{reason}");
    match status {
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE" | "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" => {
            Check::ok(TOPIC, found)
        }
        "UPDATE_ROLLBACK_COMPLETE" | "IMPORT_ROLLBACK_COMPLETE" => {
            let remedy = "the last update failed, and what was there before is in use; see the stack's events, and update it again";
            Check::warning(TOPIC, found, remedy)
        }
        "REVIEW_IN_PROGRESS" => Check::failed(TOPIC, found, "nothing is deployed yet: run `sam deploy`"),
        "ROLLBACK_COMPLETE" => {
            let remedy = "it was never deployed: see the stack's events, then run `sam delete` and `sam deploy`";
            Check::failed(TOPIC, found, remedy)
        }
        status if status.ends_with("_IN_PROGRESS") => {
            Check::warning(TOPIC, found, "wait until it is done, and look again")
        }
        _ => Check::failed(TOPIC, found, "see the stack's events; then update it, or delete it and deploy it again"),
    }
}
