//! What was found, and how it is told.

use anstyle::{AnsiColor, Style};
use ecr_autopolicy::policy::sid::SidPrefix;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{aws::deployment::Unseen, exit::Exit, printer::count};

/// What to do about a part of the stack that is gone.
pub(super) const DELETED: &str = "somebody deleted it, which CloudFormation does not notice; delete the stack and deploy it \
                                  again, with the parameter, which stays, in `ExistingPolicyParameter`";

/// What was found about a deployment.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Diagnosis {
    /// The stack's name.
    stack: String,
    region: String,
    /// The parameter that holds the configuration, where it is known.
    parameter: Option<String>,
    /// What the ids of managed statements begin with, where it is known.
    prefix: Option<String>,
    checks: Vec<Check>,
    summary: Summary,
}

/// One thing that was looked at.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Check {
    check: Topic,
    result: Verdict,
    /// What is so.
    found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
    /// The IAM action that you lack to look at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    permission: Option<&'static str>,
}

/// What a check is about, in the order of an event's way.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Topic {
    /// The CloudFormation stack.
    Stack,
    /// A trail that CloudTrail records the creation of repositories with.
    Trail,
    /// A rule of EventBridge, its target, and whether it may use that.
    Rule,
    /// What the rules picked and handed on in the last 24 hours.
    Delivery,
    /// The Lambda function.
    Function,
    /// The function's environment variables.
    Environment,
    /// How many invocations at once the function gets.
    Concurrency,
    /// The SSM parameter and the configuration in it.
    Parameter,
    /// What the function's role may do.
    Role,
    /// What hands a queue's messages to the function.
    QueueMapping,
    /// Where the events go that the function failed on.
    FailureDestination,
    /// The events that failed for good.
    FailureQueue,
    /// The function's invocations of the last 24 hours.
    Invocations,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    /// Nothing stands in the way here.
    Ok,
    /// It works, and deserves a look.
    Warning,
    /// This is a reason why nothing happens, or events are lost.
    Failed,
    /// It could not be looked at.
    Unknown,
}

/// How many checks came out how.
#[derive(Serialize, JsonSchema)]
struct Summary {
    failed: usize,
    warnings: usize,
    unknown: usize,
    ok: usize,
}

impl Topic {
    /// What only the stack's resources lead to.
    pub(super) const WITHIN: [Self; 11] = [
        Self::Rule,
        Self::Delivery,
        Self::Function,
        Self::Environment,
        Self::Concurrency,
        Self::Parameter,
        Self::Role,
        Self::QueueMapping,
        Self::FailureDestination,
        Self::FailureQueue,
        Self::Invocations,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Stack => "stack",
            Self::Trail => "trail",
            Self::Rule => "rule",
            Self::Delivery => "delivery",
            Self::Function => "function",
            Self::Environment => "environment",
            Self::Concurrency => "concurrency",
            Self::Parameter => "parameter",
            Self::Role => "role",
            Self::QueueMapping => "queue-mapping",
            Self::FailureDestination => "failure-destination",
            Self::FailureQueue => "failure-queue",
            Self::Invocations => "invocations",
        }
    }
}

impl Verdict {
    fn painted(self) -> String {
        let (style, word) = match self {
            Self::Ok => (AnsiColor::Green.on_default(), "ok"),
            Self::Warning => (AnsiColor::Yellow.on_default().bold(), "warning"),
            Self::Failed => (AnsiColor::Red.on_default().bold(), "failed"),
            Self::Unknown => (AnsiColor::Cyan.on_default(), "unknown"),
        };
        format!("{style}{word:7}{style:#}")
    }
}

impl Check {
    pub(super) fn ok(check: Topic, found: impl Into<String>) -> Self {
        Self { check, result: Verdict::Ok, found: found.into(), remedy: None, permission: None }
    }

    pub(super) fn warning(check: Topic, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { result: Verdict::Warning, remedy: Some(remedy.into()), ..Self::ok(check, found) }
    }

    pub(super) fn failed(check: Topic, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { result: Verdict::Failed, remedy: Some(remedy.into()), ..Self::ok(check, found) }
    }

    pub(super) fn unknown(check: Topic, found: impl Into<String>) -> Self {
        Self { result: Verdict::Unknown, ..Self::ok(check, found) }
    }

    /// What could not be looked at, and the permission that is missing, where it is that.
    pub(super) fn unseen(check: Topic, unseen: &Unseen) -> Self {
        let Unseen { action, denied, reason } = unseen;
        if *denied {
            let found = format!("you may not call `{action}`");
            // What is missing is now and then another permission, that for a key say.
            let operation = action.split(':').next_back().unwrap_or(action);
            let found = if reason.contains(operation) { found } else { format!("{found}: {reason}") };
            Self { permission: Some(action), ..Self::unknown(check, found) }
        } else {
            Self::unknown(check, format!("`{action}` failed: {reason}"))
        }
    }
}

impl Diagnosis {
    pub(super) fn new(stack: &str, region: &str, checks: Vec<Check>) -> Self {
        let number = |result| checks.iter().filter(|check| check.result == result).count();
        let summary = Summary {
            failed: number(Verdict::Failed),
            warnings: number(Verdict::Warning),
            unknown: number(Verdict::Unknown),
            ok: number(Verdict::Ok),
        };
        let (stack, region) = (stack.to_owned(), region.to_owned());
        Self { stack, region, parameter: None, prefix: None, checks, summary }
    }

    pub(super) fn about(self, parameter: Option<String>, prefix: &SidPrefix) -> Self {
        Self { parameter, prefix: Some(prefix.as_str().to_owned()), ..self }
    }

    pub(super) fn text(&self) -> String {
        let width = self.checks.iter().map(|check| check.check.as_str().len()).max().unwrap_or_default();
        let faint = Style::new().dimmed();
        let mut text = String::new();
        for Check { check, result, found, remedy, .. } in &self.checks {
            text += &format!("{}  {:width$}  {found}\n", result.painted(), check.as_str());
            if let Some(remedy) = remedy {
                text += &format!("{:7}  {:width$}  {faint}hint:{faint:#} {remedy}\n", "", "");
            }
        }
        let Summary { failed, warnings, unknown, ok } = self.summary;
        let warnings = count(warnings, "warning");
        text + &format!("{failed} failed, {warnings}, {unknown} unknown, {ok} ok")
    }

    /// Where to look next.
    pub(super) fn hint(&self) -> Option<String> {
        let parameter = self.parameter.as_ref()?;
        let prefix = self.prefix.as_ref().filter(|prefix| *prefix != SidPrefix::DEFAULT);
        let prefix = prefix.map(|prefix| format!(" --prefix {prefix}")).unwrap_or_default();
        Some(format!("`ecr-autopolicy plan --parameter {parameter}{prefix}` shows which repositories are not in line"))
    }

    pub(super) fn exit(&self) -> Exit {
        if self.summary.failed == 0 { Exit::Success } else { Exit::Failure }
    }
}

/// `1 event`, `2 events`.
pub(super) fn number(number: u64, noun: &str) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), noun)
}
