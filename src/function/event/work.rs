//! The function's own messages on its work queue: parts of a sweep.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Own, Trigger, ignored, invalid, parse, registry_of};
use crate::{
    error::Error,
    repository::{Registry, Repository},
};

/// A registry whose repositories are to be brought in line.
#[derive(Clone, Debug, PartialEq)]
pub struct Sweep {
    /// The registry.
    pub registry: Registry,
    /// The configuration must have been read no earlier than this, in milliseconds since the Unix epoch.
    pub since: Option<u64>,
    /// Which of its repositories.
    pub part: Part,
    /// Whether it was time for it, and nothing else led to it.
    pub scheduled: bool,
}

/// Part of a registry.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// All of it.
    All,
    /// What the list of its repositories holds from this page token on.
    From {
        /// The token.
        token: String,
        /// Whether the list was begun anew, since ECR did not know an earlier token.
        anew: bool,
    },
    /// These repositories.
    Repositories(Vec<Repository>),
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
struct Message {
    sweep: Body,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(expecting = "an object", deny_unknown_fields)]
struct Body {
    registry: String,
    region: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    scheduled: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    anew: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    repositories: Option<Vec<String>>,
}

impl Sweep {
    /// The message for the work queue.
    #[must_use]
    pub fn to_message(&self) -> String {
        let (next, anew, repositories) = match &self.part {
            Part::All => (None, false, None),
            Part::From { token, anew } => (Some(token.clone()), *anew, None),
            Part::Repositories(repositories) => {
                (None, false, Some(repositories.iter().map(|repository| repository.name().to_owned()).collect()))
            }
        };
        let registry = self.registry.id().to_owned();
        let region = self.registry.region().to_owned();
        let (since, scheduled) = (self.since, self.scheduled);
        json!({ "sweep": Body { registry, region, since, scheduled, next, anew, repositories } }).to_string()
    }
}

pub(super) fn read(event: &Value, own: &Own<'_>) -> Result<Trigger, Error> {
    let Message { sweep } = parse(event, "")?;
    let Body { registry, region, since, scheduled, next, anew, repositories } = sweep;
    let registry = match registry_of(Some(&registry), Some(&region), own)? {
        Ok(registry) => registry,
        Err(anothers) => return ignored(anothers),
    };
    let part = match (next, repositories) {
        (None, None) => Part::All,
        (Some(token), None) => Part::From { token, anew },
        (None, Some(names)) => {
            let repository = |name: String| Repository::new(registry.clone(), &name);
            let repositories = names.into_iter().map(repository).collect::<Result<_, _>>();
            Part::Repositories(repositories.map_err(|error| invalid(error.to_string()))?)
        }
        (Some(_), Some(_)) => return Err(invalid("its `sweep` has both `next` and `repositories`")),
    };
    Ok(Trigger::Sweep(Sweep { registry, since, part, scheduled }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::function::read_event;

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let registry = Registry::new("111122223333", "eu-west-1").unwrap();
        let repository = |name: &str| Repository::new(registry.clone(), name).unwrap();
        for part in [
            Part::All,
            Part::From { token: "token".to_owned(), anew: false },
            Part::From { token: "token".to_owned(), anew: true },
            Part::Repositories(vec![repository("team/app"), repository("base")]),
        ] {
            for (since, scheduled) in [(None, true), (Some(1_700_000_000_000), false)] {
                let sweep = Sweep { registry: registry.clone(), since, part: part.clone(), scheduled };
                let message = serde_json::from_str(&sweep.to_message()).unwrap();
                let arn = "arn:aws:lambda:eu-west-1:111122223333:function:ecr-autopolicy";
                assert_eq!(read_event(message, arn), Ok(Trigger::Sweep(sweep)));
            }
        }
    }
}
