//! One repository: read, reconcile, write, report.

use serde::{Serialize, Serializer};

use crate::{
    aws::{ConfigurationParameter, Deadline, RegistryClient, Unreachable},
    configuration::{Configuration, Desired, Tags},
    error::Error,
    policy::{
        document::{Document, Statement},
        principal,
        sid::SidPrefix,
    },
    reconcile::{Impossible, Plan, Reason, reconcile},
    repository::Repository,
};

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
}

/// Brings repositories in line with the configuration.
#[derive(Debug)]
pub struct Controller {
    registry: RegistryClient,
    parameter: ConfigurationParameter,
    prefix: SidPrefix,
}

impl Controller {
    /// A controller over one configuration.
    #[must_use]
    pub fn new(registry: RegistryClient, parameter: ConfigurationParameter, prefix: SidPrefix) -> Self {
        Self { registry, parameter, prefix }
    }

    /// Brings one repository's policy to what the configuration says.
    ///
    /// Configuration and current policy are read side by side, then there is one write, or none.
    ///
    /// # Errors
    /// Where the configuration or the policy cannot be read, or the policy cannot be written. A repository that
    /// is gone is none.
    pub async fn bring_in_line(&self, target: &Target, deadline: Deadline) -> Result<Report, Error> {
        let repository = &target.repository;
        // Without a configuration nothing can be said of any repository, so only its failure ends both at once.
        let (configuration, current) =
            tokio::try_join!(self.parameter.configuration(repository.registry(), deadline), async {
                Ok(self.registry.policy(repository, deadline).await)
            },)?;
        let done = async {
            let planned = self.plan(target, &configuration, current?, deadline).await?;
            self.carry_out(repository, planned, deadline).await
        };
        match done.await {
            Ok(report) => Ok(report),
            Err(Unreachable::Gone) => Ok(Report {
                repository: repository.arn(),
                outcome: Outcome::Gone,
                rules: Vec::new(),
                statements: Vec::new(),
                why: "the repository no longer exists",
            }),
            Err(Unreachable::Failed(error)) => Err(error),
        }
    }

    /// What is to be done, given the text of the policy that the repository has. Writes nothing.
    async fn plan(
        &self,
        target: &Target,
        configuration: &Configuration,
        current: Option<String>,
        deadline: Deadline,
    ) -> Result<Planned, Unreachable> {
        let repository = &target.repository;
        let current = current.map(|text| parse(repository, &text)).transpose()?;
        let tags = match &target.tags {
            Some(tags) => tags.clone(),
            None if configuration.asks_for_tags(repository) => self.registry.tags(repository, deadline).await?,
            None => Tags::new(),
        };
        let desired = configuration
            .desired(repository, &tags, &self.prefix)
            .map_err(|findings| Error::configuration_invalid(self.parameter.name(), &findings))?;
        let plan = reconcile(&desired.statements, current.as_ref(), configuration.on_existing_policy, &self.prefix)
            .map_err(|reason| impossible(repository, reason))?;
        Ok(Planned { desired, plan })
    }

    /// Does what was planned.
    async fn carry_out(
        &self,
        repository: &Repository,
        Planned { desired, plan }: Planned,
        deadline: Deadline,
    ) -> Result<Report, Unreachable> {
        let (outcome, why) = match plan {
            Plan::Set(document) => {
                let written = self.registry.set_policy(repository, &document, deadline).await;
                written.map_err(|error| name_deleted_principal(error, &document, &self.prefix))?;
                match desired.statements.is_empty() {
                    true => (Outcome::Removed, "no rule matches, and foreign statements stay"),
                    false => (Outcome::Applied, "the policy was not what the rules say"),
                }
            }
            Plan::Delete => {
                self.registry.delete_policy(repository, deadline).await?;
                (Outcome::Removed, "no rule matches, and no statement is left")
            }
            Plan::Leave(Reason::Same) => (Outcome::Unchanged, "the policy says what it should"),
            Plan::Leave(Reason::NothingOurs) => (Outcome::Unchanged, "no rule matches, and no statement is ours"),
            Plan::Leave(Reason::Foreign) => (Outcome::Skipped, "the policy holds foreign statements"),
        };
        let sids = desired.statements.iter().filter_map(Statement::sid).map(str::to_owned);
        Ok(Report {
            repository: repository.arn(),
            outcome,
            rules: desired.rules,
            statements: if outcome == Outcome::Skipped { Vec::new() } else { sids.collect() },
            why,
        })
    }
}

/// What one repository should have, and what is to be done for it.
struct Planned {
    desired: Desired,
    plan: Plan,
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
