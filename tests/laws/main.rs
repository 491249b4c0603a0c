//! Laws of the library, each over many thousand cases.

mod events;
mod json;
mod rendering;
mod sameness;
mod texts;

use ecr_autopolicy::repository::{Registry, Repository};
use proptest::{prelude::*, sample::select};
use support::{configurations, documents};

/// How often each law is tried.
const CASES: u32 = 10_000;

/// A repository of any account, in a Region of any partition.
fn a_repository() -> impl Strategy<Value = Repository> {
    let account = select(vec!["111122223333", "444455556666", "000000000000"]);
    let region = select(vec!["eu-central-1", "us-east-1", "cn-north-1", "us-gov-west-1"]);
    let name = select(vec!["team/app", "ci-cache/a/b", "00", "sample/repository"]);
    (account, region, name).prop_filter_map("a repository", |(account, region, name)| {
        Repository::new(Registry::new(account, region).ok()?, name).ok()
    })
}
