//! What is wrong with something that a user wrote: where, how badly, and what to write instead.

use std::fmt;

use serde_json::Value;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It can stay, but is probably not what was meant.
    Warning,
    /// The configuration is not used as long as it stands.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Where it stands.
    pub place: Place,
    /// The same in the text, where there is one.
    pub position: Option<Position>,
    /// What is wrong, in lower case and without a full stop.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Finding {
    /// Something that must be changed.
    pub fn error(place: &Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, place: place.clone(), position: None, message: message.into(), hint: None }
    }

    /// Something that should be looked at.
    pub fn warning(place: &Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(place, message) }
    }

    /// The same, with what to write instead.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The same, with the nearest of the valid words, or with all of them where none is near.
    #[must_use]
    pub fn nearest<'a>(self, written: &str, valid: impl IntoIterator<Item = &'a str>) -> Self {
        let valid = valid.into_iter().collect::<Vec<_>>();
        let hint = nearest(written, valid.iter().copied()).map_or_else(
            || match valid.as_slice() {
                [] => "nothing is valid here".to_owned(),
                valid => format!("valid here: {}", quoted(valid)),
            },
            |near| format!("did you mean `{near}`?"),
        );
        self.hint(hint)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.position, self.place.pointer()) {
            (Some(Position { line, column }), "") => write!(f, "{} at line {line}, column {column}", self.severity)?,
            (Some(Position { line, column }), _) => {
                write!(f, "{} at {} (line {line}, column {column})", self.severity, self.place)?;
            }
            (None, _) => write!(f, "{} at {}", self.severity, self.place)?,
        }
        write!(f, ": {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// Line and column in a text, both from 1; a column is a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// A place within a JSON text: a JSON pointer (RFC 6901).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place(String);

impl Place {
    /// The whole text.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// The member of an object.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        Self(format!("{}/{}", self.0, key.replace('~', "~0").replace('/', "~1")))
    }

    /// The element of an array.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        Self(format!("{}/{index}", self.0))
    }

    /// Whether this is the other place or below it.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.strip_prefix(&other.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The keys and indices from the top down.
    pub(crate) fn parts(&self) -> impl Iterator<Item = String> {
        self.0.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~"))
    }

    /// The pointer itself; empty for the whole text.
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("the top") } else { write!(f, "`{}`", self.0) }
    }
}

/// A JSON value as its user wrote it, without the quotes of a text.
#[must_use]
pub fn as_written(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Words in backticks with commas between them.
#[must_use]
pub fn quoted<S: AsRef<str>>(words: &[S]) -> String {
    words.iter().map(|word| format!("`{}`", word.as_ref())).collect::<Vec<_>>().join(", ")
}

/// The valid word that a user most likely meant.
#[must_use]
pub fn nearest<'a>(written: &str, valid: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = written.to_lowercase();
    valid
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&lower, &word.to_lowercase()), word))
        .filter(|(distance, word)| *distance <= 1 + word.len().min(written.len()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_escapes_what_rfc_6901_says() {
        let place = Place::root().key("a/b").index(3).key("m~n");
        assert_eq!(place.pointer(), "/a~1b/3/m~0n");
        assert_eq!(place.to_string(), "`/a~1b/3/m~0n`");
        assert_eq!(Place::root().to_string(), "the top");
    }

    #[test]
    fn the_hint_names_the_nearest_word_or_all_of_them() {
        for (written, expected) in [
            ("acount", "did you mean `account`?"),
            ("Account", "did you mean `account`?"),
            ("orgnaization", "did you mean `organization`?"),
            ("zzz", "valid here: `account`, `organization`"),
        ] {
            let finding = Finding::error(&Place::root(), "").nearest(written, ["account", "organization"]);
            assert_eq!(finding.hint.as_deref(), Some(expected), "{written}");
        }
    }
}
