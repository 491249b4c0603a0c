//! One repository: read, reconcile, write, report.

use std::{collections::BTreeSet, time::Duration};

use serde::{Serialize, Serializer};
use tokio::time::Instant;

use crate::{
    aws::{ConfigurationParameter, Deadline, RegistryClient, Unreachable},
    configuration::{Configuration, Desired, Tags},
    error::Error,
    policy::{
        document::{Document, Statement},
        principal,
        sameness::Meaning,
        sid::SidPrefix,
    },
    reconcile::{Impossible, Plan, Reason, reconcile},
    repository::Repository,
};

/// A repository with this tag is left alone.
const OPT_OUT: (&str, &str) = ("ecr-autopolicy", "off");

/// A policy that was read longer ago than this is read again before it is written: somebody else may have written it
/// meanwhile, while ECR refused our calls. Each time that this was not enough it is doubled.
const FRESH: Duration = Duration::from_secs(5);

/// How often a policy is written that somebody else changes at the same time.
const ROUNDS: usize = 3;

/// A repository to bring in line.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The repository.
    pub repository: Repository,
    /// Its tags, where the trigger knows them.
    pub tags: Option<Tags>,
}

/// What became of a repository's policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "lowercase"))]
pub enum Outcome {
    /// A document was written.
    Applied,
    /// Our last managed statement was taken away.
    Removed,
    /// There was nothing to do.
    Unchanged,
    /// It was left alone on purpose.
    Skipped,
    /// The repository no longer exists.
    Gone,
}

impl Outcome {
    /// The outcome as it stands in the answer and the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Removed => "removed",
            Self::Unchanged => "unchanged",
            Self::Skipped => "skipped",
            Self::Gone => "gone",
        }
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What was done for one repository.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Report {
    /// The repository's ARN.
    pub repository: String,
    /// What became of its policy.
    pub outcome: Outcome,
    /// The names of the rules that match.
    pub rules: Vec<String>,
    /// The ids of the managed statements that its policy should hold, and holds now; none where it was left alone on
    /// purpose.
    pub statements: Vec<String>,
    /// Why, for the log.
    #[serde(skip)]
    pub why: &'static str,
    /// The ids of the statements that were written, changed or taken away, for the log.
    #[serde(skip)]
    pub changed: Vec<String>,
}

impl Report {
    /// A repository that is no longer there.
    #[must_use]
    pub fn gone(repository: &Repository) -> Self {
        Self {
            repository: repository.arn(),
            outcome: Outcome::Gone,
            rules: Vec::new(),
            statements: Vec::new(),
            why: "the repository no longer exists",
            changed: Vec::new(),
        }
    }
}

/// What repositories are brought in line with.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The configuration.
    pub configuration: &'a Configuration,
    /// What its author calls it.
    pub name: &'a str,
}

/// What is to be done for one repository. Nothing has been written yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// The repository.
    pub repository: Repository,
    /// The policy that it has.
    pub current: Option<Document>,
    /// What it should have.
    pub desired: Desired,
    /// How to get there.
    pub plan: Plan,
}

impl Planned {
    /// What becomes of the policy once this is carried out.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match &self.plan {
            Plan::Set(_) if self.desired.statements.is_empty() => Outcome::Removed,
            Plan::Set(_) => Outcome::Applied,
            Plan::Delete => Outcome::Removed,
            Plan::Leave(Reason::Same | Reason::NothingOurs) => Outcome::Unchanged,
            Plan::Leave(Reason::Foreign | Reason::OptedOut) => Outcome::Skipped,
        }
    }

    /// Whether there is something to write or to delete.
    #[must_use]
    pub fn changes(&self) -> bool {
        !matches!(self.plan, Plan::Leave(_))
    }

    /// Whether a document is written that holds statements of others.
    fn keeps_foreign(&self, prefix: &SidPrefix) -> bool {
        let foreign = |statement: &Statement| !statement.sid().is_some_and(|sid| prefix.owns(sid));
        matches!(&self.plan, Plan::Set(document) if document.statements.iter().any(foreign))
    }

    /// Why that is to be done.
    #[must_use]
    pub fn why(&self) -> &'static str {
        match &self.plan {
            Plan::Set(_) if self.desired.statements.is_empty() => "no rule matches, and foreign statements stay",
            Plan::Set(_) if self.current.is_none() => "the repository had no policy",
            Plan::Set(_) => "the policy was not what the rules say",
            Plan::Delete => "no rule matches, and no statement is left",
            Plan::Leave(Reason::Same) => "the policy says what it should",
            Plan::Leave(Reason::NothingOurs) => "no rule matches, and no statement is ours",
            Plan::Leave(Reason::Foreign) => "the policy holds foreign statements",
            Plan::Leave(Reason::OptedOut) => "the repository is tagged `ecr-autopolicy=off`",
        }
    }

    /// The ids of the statements that are in only one of the two documents, the policy's and the planned one.
    fn changed(&self) -> Vec<String> {
        let current = self.current.as_ref().map_or(&[][..], |document| &document.statements);
        let next = match &self.plan {
            Plan::Set(document) => &document.statements,
            Plan::Delete => &[][..],
            Plan::Leave(_) => return Vec::new(),
        };
        let lacks = |statements: &[Statement], wanted: &Statement| {
            !statements
                .iter()
                .any(|statement| statement.sid() == wanted.sid() && Meaning::of(statement) == Meaning::of(wanted))
        };
        let written = next.iter().filter(|statement| lacks(current, statement));
        let taken = current.iter().filter(|statement| lacks(next, statement));
        let sids = written.chain(taken).map(|statement| statement.sid().unwrap_or("(without a Sid)").to_owned());
        sids.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// What is reported when it has been carried out.
    #[must_use]
    pub fn into_report(self) -> Report {
        let (outcome, why, changed) = (self.outcome(), self.why(), self.changed());
        let sids = self.desired.statements.iter().filter_map(Statement::sid).map(str::to_owned);
        Report {
            repository: self.repository.arn(),
            outcome,
            statements: if outcome == Outcome::Skipped { Vec::new() } else { sids.collect() },
            rules: self.desired.rules,
            why,
            changed,
        }
    }
}

/// Brings repositories in line with a configuration.
#[derive(Debug)]
pub struct Controller {
    registry: RegistryClient,
    prefix: SidPrefix,
    read_tags: bool,
}

impl Controller {
    /// A controller of the statements whose ids begin with the prefix.
    #[must_use]
    pub fn new(registry: RegistryClient, prefix: SidPrefix) -> Self {
        Self { registry, prefix, read_tags: false }
    }

    /// The same, but it may read every repository's tags to see whether it opts out, and not only where a rule asks
    /// for tags.
    #[must_use]
    pub fn reading_tags(self, read_tags: bool) -> Self {
        Self { read_tags, ..self }
    }

    /// The registry that it acts on.
    #[must_use]
    pub fn registry(&self) -> &RegistryClient {
        &self.registry
    }

    /// Brings one repository's policy to what the configuration in the parameter says.
    ///
    /// Configuration and current policy are read side by side, then there is one write, or none.
    ///
    /// # Errors
    /// Where the configuration or the policy cannot be read, or the policy cannot be written. A repository that
    /// is gone is none.
    pub async fn bring_in_line(
        &self,
        target: &Target,
        parameter: &ConfigurationParameter,
        deadline: Deadline,
    ) -> Result<Report, Error> {
        let repository = &target.repository;
        let read = Instant::now();
        // Without a configuration nothing can be said of any repository, so only its failure ends both at once.
        let (configuration, current) =
            tokio::try_join!(parameter.configuration(repository.registry(), deadline), async {
                Ok(self.registry.policy(repository, deadline).await)
            },)?;
        let wanted = Wanted { configuration: &configuration, name: parameter.name() };
        let done = async {
            if read.elapsed() >= FRESH {
                return self.mend(target, wanted, deadline).await;
            }
            let planned = self.decide(target, wanted, current?, deadline).await?;
            match self.carry_out(&planned, deadline.within(FRESH)).await {
                Ok(()) => Ok(planned),
                Err(_) if read.elapsed() >= FRESH && !deadline.left().is_zero() => {
                    self.mend(target, wanted, deadline).await
                }
                Err(error) => Err(error),
            }
        };
        reported(repository, done.await)
    }

    /// Brings one repository's policy, which others may write too, to what the configuration says.
    ///
    /// ECR has no conditional write, so the time between a read and its write is kept short, and what was merged with
    /// foreign statements is read again after the write: if somebody else wrote after us, it is merged once more.
    ///
    /// # Errors
    /// As `plan` and `carry_out`, and where somebody else goes on changing the policy.
    pub async fn settle(
        &self,
        target: &Target,
        wanted: Wanted<'_>,
        deadline: Deadline,
    ) -> Result<Planned, Unreachable> {
        self.write(target, wanted, true, deadline).await
    }

    /// The same for a repository of whose changes events tell: it is written once, since what somebody else writes after
    /// us has an event of its own. Were it written again at once, each event of theirs would lead to several.
    ///
    /// # Errors
    /// As `plan` and `carry_out`.
    pub async fn mend(&self, target: &Target, wanted: Wanted<'_>, deadline: Deadline) -> Result<Planned, Unreachable> {
        self.write(target, wanted, false, deadline).await
    }

    async fn write(
        &self,
        target: &Target,
        wanted: Wanted<'_>,
        again: bool,
        deadline: Deadline,
    ) -> Result<Planned, Unreachable> {
        let mut written = None;
        let mut fresh = FRESH;
        let mut rounds = 0;
        loop {
            let read = Instant::now();
            let planned = self.plan(target, wanted, deadline).await?;
            if !planned.changes() {
                return Ok(written.unwrap_or(planned));
            }
            if rounds == ROUNDS {
                break;
            }
            match self.carry_out(&planned, deadline.within(fresh)).await {
                Ok(()) => rounds += 1,
                Err(_) if read.elapsed() >= fresh && !deadline.left().is_zero() => {
                    fresh *= 2;
                    continue;
                }
                Err(error) => return Err(error),
            }
            let read_again = again && planned.keeps_foreign(&self.prefix);
            let first = written.get_or_insert(planned);
            if !read_again {
                return Ok(first.clone());
            }
        }
        Err(Unreachable::Failed(Error::PolicyRejected {
            repository: target.repository.arn(),
            reason: "somebody else changed the policy each time that it was written".to_owned(),
            remedy: "let one of the two write this repository's policy".to_owned(),
        }))
    }

    /// The policy that a repository has.
    ///
    /// # Errors
    /// Where the repository is gone, or its policy cannot be read.
    pub async fn current(&self, repository: &Repository, deadline: Deadline) -> Result<Option<Document>, Unreachable> {
        let text = self.registry.policy(repository, deadline).await?;
        Ok(text.map(|text| parse(repository, &text)).transpose()?)
    }

    /// What is to be done for one repository. Writes nothing.
    ///
    /// # Errors
    /// Where the repository is gone, its policy cannot be read, or what it should have cannot be written.
    pub async fn plan(&self, target: &Target, wanted: Wanted<'_>, deadline: Deadline) -> Result<Planned, Unreachable> {
        let current = self.registry.policy(&target.repository, deadline).await?;
        self.decide(target, wanted, current, deadline).await
    }

    /// What is to be done, given the text of the policy that the repository has.
    async fn decide(
        &self,
        target: &Target,
        wanted: Wanted<'_>,
        current: Option<String>,
        deadline: Deadline,
    ) -> Result<Planned, Unreachable> {
        let Wanted { configuration, name } = wanted;
        let repository = &target.repository;
        let current = current.map(|text| parse(repository, &text)).transpose();
        let tags = match &target.tags {
            Some(tags) => tags.clone(),
            None if self.read_tags || configuration.asks_for_tags(repository) => {
                self.registry.tags(repository, deadline).await?
            }
            None => Tags::new(),
        };
        if tags.get(OPT_OUT.0).is_some_and(|value| value == OPT_OUT.1) {
            let (repository, plan) = (repository.clone(), Plan::Leave(Reason::OptedOut));
            // Nobody needs to understand a policy that is left alone.
            return Ok(Planned { repository, current: current.unwrap_or_default(), desired: Desired::default(), plan });
        }
        let current = current?;
        let desired = configuration
            .desired(repository, &tags, &self.prefix)
            .map_err(|findings| Error::configuration_invalid(name, &findings))?;
        let plan = reconcile(&desired.statements, current.as_ref(), configuration.on_existing_policy, &self.prefix)
            .map_err(|reason| impossible(repository, reason))?;
        Ok(Planned { repository: repository.clone(), current, desired, plan })
    }

    /// Does what was planned.
    ///
    /// # Errors
    /// Where the repository is gone, ECR refuses the policy, or the call fails.
    pub async fn carry_out(&self, planned: &Planned, deadline: Deadline) -> Result<(), Unreachable> {
        let repository = &planned.repository;
        match &planned.plan {
            Plan::Set(document) => {
                let written = self.registry.set_policy(repository, document, deadline).await;
                written.map_err(|error| name_deleted_principal(error, document, &self.prefix))?;
            }
            Plan::Delete => self.registry.delete_policy(repository, deadline).await?,
            Plan::Leave(_) => {}
        }
        Ok(())
    }
}

/// What is reported of a repository; one that is gone is no failure.
///
/// # Errors
/// Where the repository could not be brought in line.
pub fn reported(repository: &Repository, done: Result<Planned, Unreachable>) -> Result<Report, Error> {
    match done {
        Ok(planned) => Ok(planned.into_report()),
        Err(Unreachable::Gone) => Ok(Report::gone(repository)),
        Err(Unreachable::Failed(error)) => Err(error),
    }
}

fn parse(repository: &Repository, text: &str) -> Result<Document, Error> {
    Document::parse(text).map_err(|error| Error::PolicyRejected {
        repository: repository.arn(),
        reason: format!("the policy that the repository has cannot be read: {error}"),
        remedy: "repair or delete it".to_owned(),
    })
}

fn impossible(repository: &Repository, reason: Impossible) -> Error {
    let repository = repository.arn();
    match reason {
        Impossible::TooLarge { .. } => Error::PolicyTooLarge { repository, reason },
        Impossible::Versions { .. } => Error::PolicyRejected {
            repository,
            reason: reason.to_string(),
            remedy: "write `${$}` for each `$` of the foreign statement and set the document's Version to \
                         `2012-10-17`, or take the variable out of ours"
                .to_owned(),
        },
    }
}

/// ECR refuses a whole policy for one principal that was deleted, and does not say which.
fn name_deleted_principal(error: Unreachable, document: &Document, prefix: &SidPrefix) -> Unreachable {
    let foreign = document.statements.iter().filter(|statement| !statement.sid().is_some_and(|sid| prefix.owns(sid)));
    let deleted = foreign.filter_map(|statement| Some((statement, principal::deleted_principal(statement)?))).next();
    match (error, deleted) {
        (Unreachable::Failed(Error::PolicyRejected { repository, reason, remedy }), Some((statement, id))) => {
            let statement = statement.sid().map_or_else(|| "without a Sid".to_owned(), |sid| format!("`{sid}`"));
            Unreachable::Failed(Error::PolicyRejected {
                repository,
                reason,
                remedy: format!(
                    "take `{id}` out of the foreign statement {statement}: it is what is left of a role or user that \
                     has been deleted; else {remedy}"
                ),
            })
        }
        (error, _) => error,
    }
}
