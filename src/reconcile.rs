//! Desired statements and current policy in, plan out: the heart of every trigger. Pure.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::{
    configuration::OnExistingPolicy,
    policy::{
        document::{Document, POLICY_TEXT_LIMIT, Statement},
        sameness::{self, Meaning},
        sid::SidPrefix,
    },
};

/// What is to be done with one repository's policy.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// Write this document.
    Set(Document),
    /// Delete the policy, since no statement would be left in it.
    Delete,
    /// Leave it as it is.
    Leave(Reason),
}

/// Why a policy is left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It says what it should.
    Same,
    /// No rule matches, and no statement in it is ours.
    NothingOurs,
    /// It holds foreign statements, and the configuration says `skip`.
    Foreign,
    /// The repository's tags say that it is to be left alone.
    OptedOut,
}

/// A policy that cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Impossible {
    /// The document would be longer than ECR takes.
    #[error(
        "the policy would have {size} characters, {foreign} of them in foreign statements, and ECR takes \
         {POLICY_TEXT_LIMIT}; name fewer principals, or let the template `organization` or `organization-ou` name \
         them as one"
    )]
    TooLarge {
        /// Characters of the whole document.
        size: usize,
        /// Characters of the foreign statements in it.
        foreign: usize,
    },
    /// Foreign statements need an older Version than ours.
    #[error(
        "the foreign statement `{foreign}` contains `${{` under policy Version `{version}`, where that is plain text, \
         and our statement `{managed}` needs Version `2012-10-17`, where it is a variable"
    )]
    Versions {
        /// The Sid of the foreign statement.
        foreign: String,
        /// The Version that it stands under.
        version: String,
        /// The Sid of our statement.
        managed: String,
    },
}

/// What has to be done so that the policy holds the desired statements, and no other managed one.
///
/// # Errors
/// Where the policy that should be cannot be written.
pub fn reconcile(
    desired: &[Statement],
    current: Option<&Document>,
    on_existing_policy: OnExistingPolicy,
    prefix: &SidPrefix,
) -> Result<Plan, Impossible> {
    let (managed, foreign): (Vec<_>, Vec<_>) = current
        .into_iter()
        .flat_map(|document| &document.statements)
        .partition(|statement| statement.sid().is_some_and(|sid| prefix.owns(sid)));

    if desired.is_empty() && managed.is_empty() {
        return Ok(Plan::Leave(Reason::NothingOurs));
    }
    if desired.is_empty() && foreign.is_empty() {
        return Ok(Plan::Delete);
    }
    if !desired.is_empty() && !foreign.is_empty() && on_existing_policy == OnExistingPolicy::Skip {
        return Ok(Plan::Leave(Reason::Foreign));
    }
    let kept = match on_existing_policy {
        OnExistingPolicy::Replace if !desired.is_empty() => Vec::new(),
        _ => foreign.clone(),
    };
    let document = Document {
        version: version(&kept, current, desired)?,
        // What is not merged is not theirs any more.
        id: current.filter(|_| kept.len() == foreign.len()).and_then(|document| document.id.clone()),
        statements: kept.iter().copied().chain(desired).cloned().collect(),
    };
    let unchanged = current.is_some_and(|current| sameness::same_version(&document, current))
        && kept.len() == foreign.len()
        && meanings(desired) == meanings(managed);
    if unchanged {
        return Ok(Plan::Leave(Reason::Same));
    }
    let size = document.to_text().chars().count();
    if size > POLICY_TEXT_LIMIT {
        let foreign = kept.iter().map(|statement| characters(statement)).sum();
        return Err(Impossible::TooLarge { size, foreign });
    }
    Ok(Plan::Set(document))
}

/// A foreign `${` keeps the Version under which it was written; everything else can stand under the current one.
fn version(
    kept: &[&Statement],
    current: Option<&Document>,
    desired: &[Statement],
) -> Result<Option<String>, Impossible> {
    let newest = Some(Document::VERSION.to_owned());
    let Some(current) = current.filter(|document| !document.is_current_version()) else { return Ok(newest) };
    let Some(foreign) = kept.iter().find(|statement| statement.has_policy_variables()) else { return Ok(newest) };
    match desired.iter().find(|statement| statement.has_policy_variables()) {
        None => Ok(current.version.clone()),
        Some(managed) => Err(Impossible::Versions {
            foreign: foreign.sid().unwrap_or("without a Sid").to_owned(),
            version: current.version.as_deref().unwrap_or("2008-10-17").to_owned(),
            managed: managed.sid().unwrap_or_default().to_owned(),
        }),
    }
}

/// How often each statement is there, told apart by Sid and meaning.
fn meanings<'a>(statements: impl IntoIterator<Item = &'a Statement>) -> BTreeMap<(Option<&'a str>, Meaning), usize> {
    let mut counts = BTreeMap::new();
    for statement in statements {
        *counts.entry((statement.sid(), Meaning::of(statement))).or_default() += 1;
    }
    counts
}

fn characters(statement: &Statement) -> usize {
    serde_json::to_string(statement.elements()).map_or(0, |text| text.chars().count())
}

#[cfg(test)]
mod tests;
