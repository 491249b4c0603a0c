//! The actions of ECR, from `policies/actions/ecr.json`, a data file with its source and date.

use serde::Deserialize;

use super::{files, wildcard};

/// The actions that IAM knew for ECR on a certain day.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actions {
    /// Where the list is from.
    pub source: String,
    /// When it was taken, as `2026-11-22`.
    pub date: String,
    /// The actions without their service prefix, as `BatchGetImage`.
    pub actions: Vec<String>,
}

impl Actions {
    /// The actions of ECR.
    #[must_use]
    pub fn of_ecr() -> Self {
        let file = files::ACTIONS.iter().find(|(service, _)| *service == "ecr");
        file.and_then(|(_, text)| serde_json::from_str(text).ok()).unwrap_or(Self {
            source: String::new(),
            date: String::new(),
            actions: Vec::new(),
        })
    }

    /// Whether the name, which may hold wildcards, stands for at least one of the actions.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        self.actions.iter().any(|action| wildcard::matches(&name, &action.to_ascii_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::access::AccessLevel;

    #[test]
    fn the_list_has_a_source_and_a_date() {
        let actions = Actions::of_ecr();
        assert!(actions.source.contains("Service Authorization Reference"));
        assert_eq!(actions.date.len(), 10);
        assert!(actions.actions.len() >= 60);
    }

    #[test]
    fn an_action_is_known_in_any_case_and_by_wildcards() {
        let actions = Actions::of_ecr();
        for (name, expected) in [
            ("BatchGetImage", true),
            ("batchgetimage", true),
            ("*", true),
            ("Get*", true),
            ("Put?mage", true),
            ("GetImage", false),
            ("Got*", false),
            ("", false),
        ] {
            assert_eq!(actions.knows(name), expected, "{name}");
        }
    }

    #[test]
    fn every_access_level_holds_known_actions() {
        let actions = Actions::of_ecr();
        for level in AccessLevel::names().filter_map(AccessLevel::named) {
            for action in &level.actions {
                assert!(action.strip_prefix("ecr:").is_some_and(|name| actions.knows(name)), "{action}");
            }
        }
    }
}
