//! The function's environment variables.

use std::time::Duration;

use crate::{error::Error, policy::sid::SidPrefix};

/// The function's settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Name or ARN of the parameter that holds the configuration.
    pub parameter: String,
    /// How long a configuration that was read is used.
    pub keep: Duration,
    /// What the ids of our statements begin with.
    pub prefix: SidPrefix,
    /// Where sweeps are spread.
    pub work_queue: Option<String>,
    /// Whether a repository's tags are read to see if it opts out, though no rule asks for them.
    pub read_tags: bool,
}

impl Settings {
    /// Reads the settings through `variable`, which gives an environment variable's value. An empty value is none,
    /// and so is white space.
    ///
    /// # Errors
    /// Where `POLICY_PARAMETER` is missing, or another variable's value cannot be used.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let variable =
            |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let parameter = variable("POLICY_PARAMETER").ok_or_else(|| Error::ConfigurationMissing {
            reason: "the environment variable `POLICY_PARAMETER` is not set".to_owned(),
            remedy: "set it to the name or ARN of the SSM parameter that holds the configuration".to_owned(),
        })?;
        let keep = match variable("POLICY_CACHE_SECONDS") {
            None => 60,
            Some(seconds) => seconds.parse::<u32>().map_err(|_| {
                let reason = format!("`{seconds}` is not a number of seconds; write `0` or a whole number");
                invalid("POLICY_CACHE_SECONDS", reason)
            })?,
        };
        let prefix = match variable("STATEMENT_PREFIX") {
            None => SidPrefix::default(),
            Some(prefix) => SidPrefix::new(&prefix).map_err(|error| invalid("STATEMENT_PREFIX", error.to_string()))?,
        };
        let read_tags = match variable("READ_TAGS").as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => return Err(invalid("READ_TAGS", format!("`{other}` is neither `true` nor `false`"))),
        };
        Ok(Self {
            parameter,
            keep: Duration::from_secs(keep.into()),
            prefix,
            work_queue: variable("WORK_QUEUE_URL"),
            read_tags,
        })
    }
}

fn invalid(name: &str, reason: String) -> Error {
    Error::ConfigurationInvalid { name: name.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(variables: &[(&str, &str)], expected: Result<(&str, u64), &str>) {
        let lookup =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let settings = Settings::read(lookup);
        let found = settings.as_ref().map(|settings| (settings.parameter.as_str(), settings.keep.as_secs()));
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(error), Err(expected)) => assert_eq!(error.to_string(), expected),
            (found, expected) => panic!("{found:?} is not {expected:?}"),
        }
    }

    #[test]
    fn the_parameter_is_required_and_the_rest_has_defaults() {
        check(&[("POLICY_PARAMETER", "/x")], Ok(("/x", 60)));
        check(&[("POLICY_PARAMETER", "/x"), ("POLICY_CACHE_SECONDS", "0"), ("STATEMENT_PREFIX", "")], Ok(("/x", 0)));
        let missing = "no configuration: the environment variable `POLICY_PARAMETER` is not set; set it to the name \
                       or ARN of the SSM parameter that holds the configuration";
        check(&[], Err(missing));
        check(&[("POLICY_PARAMETER", " ")], Err(missing));
    }

    #[test]
    fn a_value_that_cannot_be_used_stops_the_start() {
        for seconds in ["-1", "1.5", "a minute"] {
            let expected = format!(
                "the value of `POLICY_CACHE_SECONDS` cannot be used, and nothing was written: `{seconds}` \
                 is not a number of seconds; write `0` or a whole number"
            );
            check(&[("POLICY_PARAMETER", "/x"), ("POLICY_CACHE_SECONDS", seconds)], Err(&expected));
        }
        check(
            &[("POLICY_PARAMETER", "/x"), ("READ_TAGS", "yes")],
            Err(
                "the value of `READ_TAGS` cannot be used, and nothing was written: `yes` is neither `true` nor `false`",
            ),
        );
        check(
            &[("POLICY_PARAMETER", "/x"), ("STATEMENT_PREFIX", "x-y")],
            Err("the value of `STATEMENT_PREFIX` cannot be used, and nothing was written: `x-y` cannot begin a \
                 statement id; write a letter, then letters and digits, 3 to 32 in all"),
        );
    }
}
