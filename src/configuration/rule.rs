//! One rule: which repositories, and what they get.

use serde_json::Value;

use super::Tags;
use crate::{
    finding::{Finding, Place},
    policy::{
        document::{Document, Statement},
        sid::SidPrefix,
        template::Template,
        variables::{self, Binding, Scope},
        wildcard,
    },
    repository::Repository,
};

/// Which repositories, and what they get.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name, part of each of its statement ids; none in the short forms.
    pub name: Option<String>,
    /// Patterns, one of which the repository's name must match.
    pub repositories: Vec<String>,
    /// Patterns, none of which the repository's name may match.
    pub except: Vec<String>,
    /// Patterns by tag key, all of which the repository's tags must match.
    pub tags: Tags,
    /// What the repositories get.
    pub grant: Grant,
    /// Where what they get stands in the configuration.
    pub place: Place,
}

/// Where a rule's statements come from.
#[derive(Clone, Debug)]
pub enum Grant {
    /// A template, and what its variables stand for.
    Template {
        /// The template.
        template: Template,
        /// What the configuration gives for its variables.
        with: Scope,
    },
    /// A policy document in the configuration itself.
    Policy(Value),
}

impl Rule {
    /// Whether the repository gets what the rule gives.
    #[must_use]
    pub fn matches(&self, repository: &Repository, tags: &Tags) -> bool {
        let tagged =
            |(key, pattern): (&String, &String)| tags.get(key).is_some_and(|value| wildcard::matches(pattern, value));
        self.matches_name(repository) && self.tags.iter().all(tagged)
    }

    /// Whether the rule is about a repository of this name, tags apart.
    #[must_use]
    pub fn matches_name(&self, repository: &Repository) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| wildcard::matches(pattern, repository.name()));
        any(&self.repositories) && !any(&self.except)
    }

    /// Whether every repository gets what the rule gives.
    #[must_use]
    pub fn is_for_all(&self) -> bool {
        self.tags.is_empty() && self.except.is_empty() && self.repositories.iter().any(|pattern| pattern == "*")
    }

    /// Whether the rule is sure to match each repository that the other one matches.
    #[must_use]
    pub fn is_wider_than(&self, other: &Self) -> bool {
        let covered = |pattern: &String, by: &[String]| by.iter().any(|wider| wildcard::covers(wider, pattern));
        other.repositories.iter().all(|pattern| covered(pattern, &self.repositories))
            && self.except.iter().all(|pattern| covered(pattern, &other.except))
            && self.tags.iter().all(|tag| other.tags.iter().any(|others| others == tag))
    }

    /// The rule's policy for one repository, before its statements get their full ids.
    ///
    /// # Errors
    /// Where a variable cannot be replaced.
    pub fn render(&self, repository: &Repository) -> Result<Value, Finding> {
        let (policy, scope) = match &self.grant {
            Grant::Template { template, with } => (&template.policy, with.clone().or(given(repository))),
            Grant::Policy(policy) => (policy, given(repository)),
        };
        variables::replace(policy, &scope).map_err(|error| Finding::error(&self.place, error.to_string()))
    }

    /// The managed statements that the rule gives to the repository.
    ///
    /// # Errors
    /// Where the rule's policy cannot be rendered, or is no policy document.
    pub fn statements(&self, repository: &Repository, prefix: &SidPrefix) -> Result<Vec<Statement>, Finding> {
        let document = Document::from_value(self.render(repository)?)
            .map_err(|error| Finding::error(&self.place, error.to_string()))?;
        Ok(document
            .statements
            .iter()
            .enumerate()
            .map(|(index, statement)| {
                let by_position = format!("Statement{}", index + 1);
                statement.with_sid(prefix.sid(self.name.as_deref(), statement.sid().unwrap_or(&by_position)))
            })
            .collect())
    }
}

/// The variables that are there for every policy.
pub(super) fn given(repository: &Repository) -> Scope {
    let registry = repository.registry();
    let mut scope = Scope::default();
    for (name, value) in [
        ("registry_id", registry.id().to_owned()),
        ("repository_name", repository.name().to_owned()),
        ("repository_arn", repository.arn()),
        ("region", registry.region().to_owned()),
        ("partition", registry.partition().to_owned()),
    ] {
        scope.bind(name, Binding::One(value));
    }
    scope
}
