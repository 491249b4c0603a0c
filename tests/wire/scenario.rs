//! What one event leads to, each as the exact calls that ECR sees for it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::{Value, json};

use crate::aws::{
    ACCOUNT, DeleteRepositoryPolicy, DescribeRepositories, GetRepositoryPolicy, ListTagsForResource, Operation, REGION,
    SetRepositoryPolicy,
};
use crate::document::check_document;
use crate::stage::{Function, Stage};

/// What one event leads to. The parameter is read beside these calls, at most once. Tags are not
/// asked for, unless the scenario is wrapped into `TagsAreAsked`.
#[derive(Debug, Clone)]
pub(crate) enum Scenario {
    /// `GetRepositoryPolicy`, then `SetRepositoryPolicy` with this document: `applied`.
    Applied(Value),
    /// `GetRepositoryPolicy`, then `DeleteRepositoryPolicy`: `removed`.
    Deleted,
    /// `GetRepositoryPolicy`, then `SetRepositoryPolicy` with this document, which holds nothing
    /// of ours any more: `removed`.
    Reduced(Value),
    /// `GetRepositoryPolicy` alone: `unchanged`.
    Unchanged,
    /// `GetRepositoryPolicy` alone: `skipped`.
    Skipped,
    /// `GetRepositoryPolicy`, and no more: `gone`.
    GoneAtRead,
    /// `GetRepositoryPolicy`, then `SetRepositoryPolicy`, which finds no repository: `gone`.
    GoneAtWrite,
    /// `ListTagsForResource` somewhere among the calls of the scenario, for each `GetRepositoryPolicy` once.
    TagsAreAsked(Box<Scenario>),
    /// `DescribeRepositories`, page by page; then for each repository what became of it. Those that stay as they are, at
    /// `GetRepositoryPolicy` alone, are only counted.
    Swept(Vec<(&'static str, Became)>, usize),
    /// No call at all, not even for the parameter; ignored, with all of these words in the reason.
    RadioSilence(Vec<&'static str>),
    /// No call at all; the event is refused as `InvalidEvent`.
    Garbage,
    /// No call that writes; the invocation fails with this label, and all of these words in its
    /// message.
    FailsUnwritten(&'static str, Vec<String>),
    /// `GetRepositoryPolicy`, then a refused `SetRepositoryPolicy`; the invocation fails with this
    /// label, and all of these words in its message.
    FailsAtWrite(&'static str, Vec<String>),
}

/// What becomes of one of many repositories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Became {
    /// `GetRepositoryPolicy`, then `SetRepositoryPolicy`: `applied`.
    Applied,
    /// The same over foreign statements, so that the policy is read again: `applied`.
    Merged,
    /// `GetRepositoryPolicy`, then `DeleteRepositoryPolicy`: `removed`.
    Deleted,
    /// `GetRepositoryPolicy`, then `SetRepositoryPolicy` with what is not ours, which is read again: `removed`.
    Reduced,
    /// `GetRepositoryPolicy` alone: `skipped`.
    Skipped,
    /// `GetRepositoryPolicy` alone: `gone`.
    Gone,
}

impl Became {
    fn outcome(self) -> &'static str {
        match self {
            Became::Applied | Became::Merged => "applied",
            Became::Deleted | Became::Reduced => "removed",
            Became::Skipped => "skipped",
            Became::Gone => "gone",
        }
    }

    fn calls(self) -> &'static [Operation] {
        match self {
            Became::Applied => &[GetRepositoryPolicy, SetRepositoryPolicy],
            Became::Merged | Became::Reduced => &[GetRepositoryPolicy, SetRepositoryPolicy, GetRepositoryPolicy],
            Became::Deleted => &[GetRepositoryPolicy, DeleteRepositoryPolicy],
            Became::Skipped | Became::Gone => &[GetRepositoryPolicy],
        }
    }
}

/// `FailsUnwritten` with words that are literals.
pub(crate) fn fails(kind: &'static str, words: &[&str]) -> Scenario {
    Scenario::FailsUnwritten(kind, words.iter().map(|word| (*word).to_owned()).collect())
}

/// `FailsAtWrite` with words that are literals.
pub(crate) fn fails_at_write(kind: &'static str, words: &[&str]) -> Scenario {
    Scenario::FailsAtWrite(kind, words.iter().map(|word| (*word).to_owned()).collect())
}

/// Starts the function, sends one event, and checks everything that the scenario says.
#[track_caller]
pub(crate) fn check(stage: Stage, event: &Value, scenario: Scenario) {
    stage.start().check(event, scenario);
}

/// Checks every case of a table, and then fails with all those that failed.
#[track_caller]
pub(crate) fn each<Case: Debug>(cases: impl IntoIterator<Item = Case>, check: impl Fn(Case)) {
    let mut failed = Vec::new();
    for case in cases {
        let name: String = format!("{case:?}").chars().take(400).collect();
        if catch_unwind(AssertUnwindSafe(|| check(case))).is_err() {
            println!("that was {name}\n");
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "{} cases failed:\n{}", failed.len(), failed.join("\n"));
}

/// The same for cases that wait for time to pass: they wait beside each other.
#[track_caller]
pub(crate) fn each_at_once<Case: Debug + Send>(cases: impl IntoIterator<Item = Case>, check: impl Fn(Case) + Sync) {
    let check = &check;
    let failed: Vec<String> = std::thread::scope(|scope| {
        let cases = cases.into_iter();
        let running: Vec<_> = cases.map(|case| (format!("{case:?}"), scope.spawn(move || check(case)))).collect();
        running.into_iter().filter_map(|(name, case)| case.join().is_err().then_some(name)).collect()
    });
    assert!(failed.is_empty(), "{} cases failed:\n{}", failed.len(), failed.join("\n"));
}

impl Function {
    /// Sends one event, and checks everything that the scenario says; the answer is handed on for
    /// what it does not say.
    #[track_caller]
    pub(crate) fn check(&mut self, event: &Value, scenario: Scenario) -> Value {
        let before = self.aws.policies();
        let answer = self.invoke(event);
        let (tags, scenario) = match scenario {
            Scenario::TagsAreAsked(scenario) => (self.count(GetRepositoryPolicy), *scenario),
            scenario => (0, scenario),
        };
        let mut calls = self.ecr_calls();
        assert_eq!(self.count(ListTagsForResource), tags, "the calls for tags, of {calls:?}");
        calls.retain(|operation| *operation != ListTagsForResource);
        let parameter_reads = self.calls().len() - self.ecr_calls().len();
        assert!(parameter_reads <= 1, "the parameter was read {parameter_reads} times");

        match scenario {
            Scenario::Applied(document) => {
                let response = answer.response();
                self.check_outcome(&response, "applied");
                assert_eq!(calls, [GetRepositoryPolicy, SetRepositoryPolicy]);
                check_document(&self.sent_policy(), &document, &self.prefix);
                assert_eq!(
                    response["outcomes"][0]["statements"],
                    json!(self.managed_sids(&document)),
                    "the statements that are reported"
                );
                response
            }
            Scenario::Reduced(document) => {
                let response = answer.response();
                self.check_outcome(&response, "removed");
                assert_eq!(calls, [GetRepositoryPolicy, SetRepositoryPolicy]);
                check_document(&self.sent_policy(), &document, &self.prefix);
                response
            }
            Scenario::Deleted => {
                let response = answer.response();
                self.check_outcome(&response, "removed");
                assert_eq!(calls, [GetRepositoryPolicy, DeleteRepositoryPolicy]);
                assert!(self.aws.policies().values().all(Option::is_none), "a policy is left");
                response
            }
            Scenario::Unchanged => {
                let response = answer.response();
                self.check_outcome(&response, "unchanged");
                self.check_unwritten(&calls, &[GetRepositoryPolicy], &before);
                response
            }
            Scenario::Skipped => {
                let response = answer.response();
                self.check_outcome(&response, "skipped");
                self.check_unwritten(&calls, &[GetRepositoryPolicy], &before);
                response
            }
            Scenario::GoneAtRead => {
                let response = answer.response();
                self.check_outcome(&response, "gone");
                assert_eq!(calls, [GetRepositoryPolicy]);
                response
            }
            Scenario::GoneAtWrite => {
                let response = answer.response();
                self.check_outcome(&response, "gone");
                assert_eq!(calls, [GetRepositoryPolicy, SetRepositoryPolicy]);
                response
            }
            Scenario::RadioSilence(words) => {
                let response = answer.response();
                assert_eq!(parameter_reads, 0, "the parameter was read");
                self.check_unwritten(&calls, &[], &before);
                assert_eq!(response["outcomes"], json!([]), "{response:#}");
                let reason = response["ignored"].as_str().unwrap_or_default();
                assert!(!reason.is_empty(), "it does not say why: {response:#}");
                for word in words {
                    assert!(reason.contains(word), "no `{word}` in the reason: {reason}");
                }
                assert_eq!(response.as_object().unwrap().len(), 2, "{response:#}");
                response
            }
            Scenario::Garbage => {
                let failure = answer.failure();
                assert_eq!(parameter_reads, 0, "the parameter was read");
                self.check_unwritten(&calls, &[], &before);
                assert_eq!(failure.kind, "InvalidEvent", "{}", failure.message);
                self.check_message(&failure.message, "InvalidEvent", &[]);
                Value::Null
            }
            Scenario::FailsUnwritten(kind, words) => {
                let failure = answer.failure();
                assert_eq!(failure.kind, kind, "{}", failure.message);
                calls.retain(|operation| *operation != GetRepositoryPolicy);
                self.check_unwritten(&calls, &[], &before);
                self.check_message(&failure.message, kind, &words);
                json!(failure.message)
            }
            Scenario::FailsAtWrite(kind, words) => {
                let failure = answer.failure();
                assert_eq!(failure.kind, kind, "{}", failure.message);
                self.check_unwritten(&calls, &[GetRepositoryPolicy, SetRepositoryPolicy], &before);
                self.check_message(&failure.message, kind, &words);
                json!(failure.message)
            }
            Scenario::Swept(expected, unchanged) => {
                let response = answer.response();
                self.check_sweep(&response, &expected, unchanged);
                response
            }
            Scenario::TagsAreAsked(_) => panic!("it is wrapped twice"),
        }
    }

    #[track_caller]
    fn check_sweep(&self, response: &Value, expected: &[(&'static str, Became)], unchanged: usize) {
        let keys: Vec<&String> = response.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["outcomes", "unchanged"], "{response:#}");
        let arn = |name: &str| format!("arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{name}");
        let outcomes: BTreeMap<String, String> =
            expected.iter().map(|(name, became)| (arn(name), became.outcome().to_owned())).collect();
        let text = |outcome: &Value, key: &str| outcome[key].as_str().unwrap().to_owned();
        let listed = response["outcomes"].as_array().unwrap();
        let found: BTreeMap<String, String> =
            listed.iter().map(|outcome| (text(outcome, "repository"), text(outcome, "outcome"))).collect();
        assert_eq!((found, listed.len()), (outcomes, expected.len()), "{response:#}");
        assert_eq!(response["unchanged"], json!(unchanged), "{response:#}");

        let mut calls = self.calls_by_repository();
        for (name, became) in expected {
            assert_eq!(calls.remove(*name).as_deref(), Some(became.calls()), "the calls for `{name}`");
        }
        assert_eq!(calls.len(), unchanged, "{calls:?}");
        assert!(calls.values().all(|calls| calls == &[GetRepositoryPolicy]), "{calls:?}");
        let operations = self.calls().into_iter().map(|call| call.operation);
        let mut listing =
            operations.filter(|operation| !matches!(operation, Operation::GetParameter | ListTagsForResource));
        assert_eq!(listing.next(), Some(DescribeRepositories), "the list was not the first");
        let mut rest = listing.skip_while(|operation| *operation == DescribeRepositories);
        assert!(rest.all(|operation| operation != DescribeRepositories), "the list was read beside the work");
    }

    /// The calls about policies that the last event led to.
    pub(crate) fn calls_by_repository(&self) -> BTreeMap<String, Vec<Operation>> {
        let mut calls: BTreeMap<String, Vec<Operation>> = BTreeMap::new();
        for call in self.calls() {
            if [GetRepositoryPolicy, SetRepositoryPolicy, DeleteRepositoryPolicy].contains(&call.operation) {
                let name = call.body["repositoryName"].as_str().unwrap().to_owned();
                calls.entry(name).or_default().push(call.operation);
            }
        }
        calls
    }

    fn managed_sids(&self, document: &Value) -> Vec<String> {
        let statements = document["Statement"].as_array().unwrap();
        let sids = statements.iter().filter_map(|statement| statement["Sid"].as_str());
        sids.filter(|sid| sid.starts_with(&self.prefix)).map(str::to_owned).collect()
    }

    #[track_caller]
    fn check_outcome(&self, response: &Value, expected: &str) {
        let outcomes = response["outcomes"].as_array().unwrap();
        assert_eq!(outcomes.len(), 1, "{response:#}");
        let outcome = &outcomes[0];
        assert_eq!(outcome["outcome"], expected, "{response:#}");
        assert!(outcome["repository"].as_str().is_some_and(|arn| arn.starts_with("arn:aws")));
        assert!(outcome["rules"].is_array() && outcome["statements"].is_array(), "{response:#}");
        let mut keys: Vec<&String> = outcome.as_object().unwrap().keys().collect();
        keys.sort();
        assert_eq!(keys, ["outcome", "repository", "rules", "statements"], "{response:#}");
        assert_eq!(response.as_object().unwrap().len(), 1, "{response:#}");
    }

    #[track_caller]
    fn check_unwritten(
        &self,
        calls: &[Operation],
        expected: &[Operation],
        before: &BTreeMap<(String, String), Option<String>>,
    ) {
        assert_eq!(calls, expected, "the calls to ECR");
        assert_eq!(self.aws.policies(), *before, "a policy was written");
    }

    /// A message says what it should in the tone of the house, and the log has its label.
    #[track_caller]
    pub(crate) fn check_message(&self, message: &str, kind: &str, words: &[String]) {
        for word in words {
            assert!(message.contains(word.as_str()), "no `{word}` in the message: {message}");
        }
        assert!(!message.trim().is_empty(), "the message is empty");
        self.process.wait_for_log(kind);
    }
}
