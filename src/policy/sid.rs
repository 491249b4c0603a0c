//! Statement ids: which statements of a policy are ours.

use thiserror::Error;

/// What the Sid of every managed statement begins with.
///
/// Two stacks can share a registry where neither one's prefix begins with the other's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SidPrefix(String);

impl SidPrefix {
    /// The prefix of a stack that sets none.
    pub const DEFAULT: &str = "AutoPolicy";

    /// The prefix, checked.
    ///
    /// # Errors
    /// Where it is not a letter followed by letters and digits, 3 to 32 in all, or begins with the default
    /// prefix without being it: the default stack would take such statements for its own.
    pub fn new(text: &str) -> Result<Self, InvalidSidPrefix> {
        let begins_with_letter = text.starts_with(|character: char| character.is_ascii_alphabetic());
        if !(3..=32).contains(&text.len()) || !begins_with_letter || !is_sid(text) {
            return Err(InvalidSidPrefix::Form(text.to_owned()));
        }
        if text != Self::DEFAULT && text.starts_with(Self::DEFAULT) {
            return Err(InvalidSidPrefix::Overlap(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    /// The prefix as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a statement with this Sid is managed.
    #[must_use]
    pub fn owns(&self, sid: &str) -> bool {
        sid.starts_with(&self.0)
    }

    /// The full Sid of a rule's statement.
    #[must_use]
    pub fn sid(&self, rule: Option<&str>, own: &str) -> String {
        format!("{}{}{own}", self.0, rule.unwrap_or_default())
    }
}

impl Default for SidPrefix {
    fn default() -> Self {
        Self(Self::DEFAULT.to_owned())
    }
}

/// A statement prefix that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidSidPrefix {
    /// It has another form.
    #[error("`{0}` cannot begin a statement id; write a letter, then letters and digits, 3 to 32 in all")]
    Form(String),
    /// It begins with the default prefix.
    #[error(
        "`{0}` begins with `AutoPolicy`, so that a stack with the default prefix would take its statements away; write another word"
    )]
    Overlap(String),
}

/// Whether the text is letters and digits, as IAM wants a Sid.
#[must_use]
pub fn is_sid(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_word_that_no_other_stack_owns() {
        for (prefix, expected) in [
            ("AutoPolicy", true),
            ("Abc", true),
            ("a23", true),
            ("Ab", false),
            ("", false),
            ("1ab", false),
            ("Auto-Policy", false),
            ("AutoPolicyTwo", false),
            ("autopolicyTwo", true),
            (&"a".repeat(32), true),
            (&"a".repeat(33), false),
        ] {
            assert_eq!(SidPrefix::new(prefix).is_ok(), expected, "{prefix}");
        }
    }
}
