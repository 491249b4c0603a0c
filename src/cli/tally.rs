//! What became of many repositories: counted by outcome, failures with their reasons.

use anstyle::AnsiColor;
use ecr_autopolicy::{aws::Unreachable, controller::Outcome, error::Error};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{exit::Exit, printer::count, sweep::Course};

/// More failures than this are only counted: the reasons repeat themselves, and memory is not for that.
const LISTED: usize = 1_000;

/// How many repositories came out how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Tally {
    /// A document was written, or would be.
    pub(crate) applied: usize,
    /// The last managed statement was taken away, or would be.
    pub(crate) removed: usize,
    /// There was nothing to do.
    pub(crate) unchanged: usize,
    /// They were left alone on purpose.
    pub(crate) skipped: usize,
    /// They were deleted meanwhile.
    pub(crate) gone: usize,
    /// Something went wrong.
    pub(crate) failed: usize,
    /// The user interrupted the command before all were looked at.
    pub(crate) interrupted: bool,
    #[serde(skip)]
    failures: Vec<Failure>,
}

/// Why a repository failed.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Problem {
    /// One word for the kind of the error.
    #[serde(rename = "type")]
    pub(crate) label: &'static str,
    /// What is wrong, and what to do about it.
    pub(crate) message: String,
}

#[derive(Clone, Debug, PartialEq)]
struct Failure {
    repository: String,
    problem: Problem,
}

/// Whether changes lie ahead or are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tense {
    Planned,
    Done,
}

/// Why there is no plan or report about a repository.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Absence {
    /// The repository was deleted meanwhile.
    Gone,
    Failed(Problem),
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        Self { label: error.label(), message: error.to_string() }
    }
}

impl From<Unreachable> for Absence {
    fn from(error: Unreachable) -> Self {
        match error {
            Unreachable::Gone => Self::Gone,
            Unreachable::Failed(error) => Self::Failed(Problem::from(&error)),
        }
    }
}

impl Tally {
    pub(crate) fn add(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Applied => &mut self.applied,
            Outcome::Removed => &mut self.removed,
            Outcome::Unchanged => &mut self.unchanged,
            Outcome::Skipped => &mut self.skipped,
            Outcome::Gone => &mut self.gone,
        } += 1;
    }

    pub(crate) fn add_absence(&mut self, repository: &str, absence: &Absence) {
        match absence {
            Absence::Gone => self.gone += 1,
            Absence::Failed(problem) => {
                self.failed += 1;
                if self.failures.len() < LISTED {
                    self.failures.push(Failure { repository: repository.to_owned(), problem: problem.clone() });
                }
            }
        }
    }

    pub(crate) fn end(&mut self, course: Course) {
        self.interrupted = course == Course::Interrupted;
    }

    /// How many policies are written or deleted.
    pub(crate) fn changes(&self) -> usize {
        self.applied + self.removed
    }

    /// How many repositories were looked at.
    pub(crate) fn total(&self) -> usize {
        self.changes() + self.unchanged + self.skipped + self.gone + self.failed
    }

    /// The failures with their reasons.
    pub(crate) fn failures_text(&self) -> String {
        if self.failures.is_empty() {
            return String::new();
        }
        let style = AnsiColor::Red.on_default().bold();
        let mut text = format!("{style}{} failed{style:#}:\n", count(self.failed, "repository"));
        for Failure { repository, problem } in &self.failures {
            text += &format!("  {repository}: {}: {}\n", problem.label, problem.message.replace('\n', "\n    "));
        }
        if self.failed > self.failures.len() {
            text += &format!("  and {} more\n", self.failed - self.failures.len());
        }
        text
    }

    /// `12 to change, 3 to clear, 985 unchanged, 2 skipped`, and before it the failures.
    pub(crate) fn text(&self, tense: Tense, all: usize) -> String {
        let (applied, removed) = match tense {
            Tense::Planned => ("to change", "to clear"),
            Tense::Done => ("changed", "cleared"),
        };
        let always = [
            (self.applied, applied),
            (self.removed, removed),
            (self.unchanged, "unchanged"),
            (self.skipped, "skipped"),
        ];
        let rare = [(self.gone, "gone meanwhile"), (self.failed, "failed")];
        let counts = always.into_iter().chain(rare.into_iter().filter(|(number, _)| *number > 0));
        let counts = counts.map(|(number, word)| format!("{number} {word}")).collect::<Vec<_>>().join(", ");
        format!("{}{counts}{}", self.failures_text(), self.interruption_text(all.saturating_sub(self.total())))
    }

    /// That it is not all, and how to get the rest.
    pub(crate) fn interruption_text(&self, left: usize) -> String {
        match self.interrupted {
            true => {
                let left = count(left, "repository");
                format!("\ninterrupted, {left} left; run the command again to go on")
            }
            false => String::new(),
        }
    }

    /// How the command ends.
    pub(crate) fn exit(&self) -> Exit {
        match (self.interrupted, self.failed) {
            (true, _) => Exit::Interrupted,
            (_, 0) => Exit::Success,
            _ => Exit::Failure,
        }
    }
}
