//! Access levels: named lists of ECR actions, the files of `policies/access-levels/`.

use serde::Deserialize;

use super::files;

/// A named list of ECR actions.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessLevel {
    /// What it is for, in a sentence.
    pub description: String,
    /// The actions, as `ecr:BatchGetImage`.
    pub actions: Vec<String>,
}

impl AccessLevel {
    /// The access level of that name, where there is one.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let (_, text) = files::ACCESS_LEVELS.iter().find(|(known, _)| *known == name)?;
        serde_json::from_str(text).ok()
    }

    /// The names of all access levels, sorted.
    pub fn names() -> impl Iterator<Item = &'static str> {
        files::ACCESS_LEVELS.iter().map(|(name, _)| *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_an_access_level() {
        let levels = AccessLevel::names()
            .map(|name| {
                let level = AccessLevel::named(name).unwrap_or_else(|| panic!("`{name}` does not parse"));
                format!("{name}: {} {}", level.description, level.actions.join(" "))
            })
            .collect::<Vec<_>>();
        insta::assert_snapshot!(levels.join("\n"));
    }
}
