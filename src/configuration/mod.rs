//! The configuration: what ops write into the parameter, and which statements a repository gets by it. Pure.

mod check;
#[cfg(any(test, feature = "schema"))]
pub mod json_schema;
mod positions;
mod rule;
mod schema;
mod size;

use std::{collections::BTreeMap, fmt};

pub use rule::{Grant, Rule};

use crate::{
    finding::{Finding, Place, Severity},
    policy::{document::Statement, sid::SidPrefix},
    repository::{Registry, Repository},
};

/// A repository's tags.
pub type Tags = BTreeMap<String, String>;

/// What is done with a policy that holds foreign statements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnExistingPolicy {
    /// They stay beside ours.
    #[default]
    Merge,
    /// The policy is left alone.
    Skip,
    /// Ours take their place.
    Replace,
}

/// The parameter's value, read and found to be valid.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// The rules, in their order.
    pub rules: Vec<Rule>,
    /// What is done with a policy that holds foreign statements.
    pub on_existing_policy: OnExistingPolicy,
    /// Whether a statement may reach everyone.
    pub allow_public: bool,
    /// Whether nobody may read what it says, so that findings have to leave out what they quote.
    secret: bool,
}

/// What one repository should have by the configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Desired {
    /// The names of the rules that match, those without a name left out.
    pub rules: Vec<String>,
    /// The managed statements; empty exactly where no rule matches.
    pub statements: Vec<Statement>,
}

impl Configuration {
    /// Reads the parameter's value for use in a registry. White space alone means no rules. What should be looked at
    /// in it comes back beside it.
    ///
    /// Sizes are not looked at: the value fits where it came from, and whether a policy fits ECR shows for each
    /// repository, which may hold foreign statements too.
    ///
    /// # Errors
    /// Every error in it.
    pub fn parse(text: &str, prefix: &SidPrefix, registry: &Registry) -> Result<(Self, Findings), Findings> {
        let (configuration, mut findings) = schema::read(text);
        findings.extend(check::check(&configuration, prefix, registry));
        let findings = positions::located(findings, text);
        if findings.iter().any(Finding::is_error) {
            return Err(Findings(findings.into_iter().filter(Finding::is_error).collect()));
        }
        Ok((configuration, Findings(findings)))
    }

    /// As much of the configuration as can be read, and everything there is to say about it before it is stored.
    #[must_use]
    pub fn examine(text: &str, prefix: &SidPrefix, registry: &Registry) -> (Self, Findings) {
        let (configuration, mut findings) = schema::read(text);
        findings.extend(size::of_value(text));
        findings.extend(check::check(&configuration, prefix, registry));
        findings.extend(size::of_policies(&configuration, prefix, registry));
        let findings = positions::located(findings, text);
        (configuration, Findings(findings))
    }

    /// Whether the tags of this repository decide on what it gets.
    #[must_use]
    pub fn asks_for_tags(&self, repository: &Repository) -> bool {
        self.rules.iter().any(|rule| !rule.tags.is_empty() && rule.matches_name(repository))
    }

    /// The statements that the repository should have. Rules add up.
    ///
    /// # Errors
    /// Where what is rendered for this very repository reaches everyone and the configuration does not allow that.
    pub fn desired(&self, repository: &Repository, tags: &Tags, prefix: &SidPrefix) -> Result<Desired, Findings> {
        let mut desired = Desired::default();
        let mut findings = Vec::new();
        for rule in self.rules.iter().filter(|rule| rule.matches(repository, tags)) {
            match rule.statements(repository, prefix) {
                Ok(statements) => {
                    if !self.allow_public {
                        let statements = statements.iter().enumerate();
                        let open = statements.filter_map(|(index, statement)| check::exposure(rule, index, statement));
                        findings.extend(open.filter(Finding::is_error));
                    }
                    desired.rules.extend(rule.name.clone());
                    desired.statements.extend(statements);
                }
                Err(finding) => findings.push(finding),
            }
        }
        match findings.is_empty() {
            true => Ok(desired),
            false if self.secret => Err(Findings(findings).without_words()),
            false => Err(Findings(findings)),
        }
    }

    /// The same, and whether nobody may read what it says.
    #[must_use]
    pub fn kept_secret(self, secret: bool) -> Self {
        Self { secret, ..self }
    }
}

/// All that is to be said about a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    /// The same places, without the words: these quote what stands there.
    #[must_use]
    pub fn without_words(self) -> Self {
        let hidden = |finding: Finding| Finding {
            message: "what is wrong is left out, since it may quote the value of a SecureString".to_owned(),
            hint: Some("`ecr-autopolicy check --parameter` tells those who may read it".to_owned()),
            place: Place::root(),
            ..finding
        };
        Self(self.0.into_iter().map(hidden).collect())
    }

    /// Whether the configuration cannot be used.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(Finding::is_error)
    }
}

impl std::error::Error for Findings {}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{finding}")?;
        }
        Ok(())
    }
}

impl Finding {
    fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

#[cfg(test)]
mod tests;
