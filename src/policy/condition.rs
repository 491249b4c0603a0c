//! Condition operators and keys, taken apart.
//!
//! Source: IAM JSON policy elements, Condition operators
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>).

use std::net::IpAddr;

use ipnet::IpNet;

use super::kind::Kind;

/// Which of a multivalued key's values must match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qualifier {
    /// `ForAnyValue:`, at least one.
    ForAnyValue,
    /// `ForAllValues:`, each one; true where there is none at all.
    ForAllValues,
}

/// A condition operator with its set and `IfExists` forms taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operator<'a> {
    /// The set form, where there is one.
    pub qualifier: Option<Qualifier>,
    /// The operator itself, as `StringLike`.
    pub base: &'a str,
    /// Whether a request without the key passes.
    pub if_exists: bool,
}

impl<'a> Operator<'a> {
    /// The base operators that IAM knows.
    pub const KNOWN: [&'static str; 27] = [
        "StringEquals",
        "StringNotEquals",
        "StringEqualsIgnoreCase",
        "StringNotEqualsIgnoreCase",
        "StringLike",
        "StringNotLike",
        "NumericEquals",
        "NumericNotEquals",
        "NumericLessThan",
        "NumericLessThanEquals",
        "NumericGreaterThan",
        "NumericGreaterThanEquals",
        "DateEquals",
        "DateNotEquals",
        "DateLessThan",
        "DateLessThanEquals",
        "DateGreaterThan",
        "DateGreaterThanEquals",
        "Bool",
        "BinaryEquals",
        "IpAddress",
        "NotIpAddress",
        "ArnEquals",
        "ArnLike",
        "ArnNotEquals",
        "ArnNotLike",
        "Null",
    ];

    /// Takes an operator's name apart. Says nothing about whether IAM knows it.
    #[must_use]
    pub fn parse(text: &'a str) -> Self {
        let (qualifier, rest) = match text.split_once(':') {
            Some(("ForAnyValue", rest)) => (Some(Qualifier::ForAnyValue), rest),
            Some(("ForAllValues", rest)) => (Some(Qualifier::ForAllValues), rest),
            _ => (None, text),
        };
        let (base, if_exists) = rest.strip_suffix("IfExists").map_or((rest, false), |base| (base, true));
        Self { qualifier, base, if_exists }
    }

    /// Whether a value is of the type that the operator compares.
    ///
    /// # Errors
    /// What is wanted in its place. A value with a policy variable is known only when IAM has replaced it, and so
    /// is always right.
    pub fn check_value(&self, text: &str) -> Result<(), &'static str> {
        if text.contains("${") {
            return Ok(());
        }
        let (right, wanted) = match self.base {
            base if base.starts_with("Numeric") => (text.parse::<f64>().is_ok_and(f64::is_finite), "a number"),
            base if base.starts_with("Date") => (is_date(text), "a date, as `2026-11-22T10:00:00Z`"),
            base if base.starts_with("Arn") => (
                text == "*" || (text.starts_with("arn:") && text.split(':').count() >= 6),
                "an ARN, as `arn:aws:iam::111122223333:role/*`",
            ),
            "Bool" | "Null" => (matches!(text, "true" | "false"), "`true` or `false`"),
            "IpAddress" | "NotIpAddress" => {
                (text.parse::<IpNet>().is_ok() || text.parse::<IpAddr>().is_ok(), "a network, as `192.0.2.0/24`")
            }
            "BinaryEquals" => {
                (text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')), "base64")
            }
            _ => (true, ""),
        };
        if right { Ok(()) } else { Err(wanted) }
    }

    /// Whether IAM knows the operator in this form.
    #[must_use]
    pub fn is_known(&self) -> bool {
        Self::KNOWN.contains(&self.base) && !(self.base == "Null" && self.if_exists)
    }
}

/// A date of the W3C's profile of ISO 8601, or seconds since the epoch.
fn is_date(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (date, time) = text.split_once('T').unwrap_or((text, "00:00Z"));
    let numbers = date.split('-').collect::<Vec<_>>();
    let is_day = numbers.len() <= 3
        && numbers.first().is_some_and(|year| year.len() == 4)
        && numbers.iter().skip(1).all(|number| number.len() == 2)
        && numbers.iter().all(|number| digits(number));
    let is_time = time.contains(':')
        && time.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.' | b'+' | b'-' | b'Z'));
    digits(text) || (is_day && is_time)
}

/// The kind of value that the key has, where the operator compares it as a whole.
#[must_use]
pub fn kind_of(key: &str, operator: &Operator<'_>) -> Option<Kind> {
    let whole = matches!(operator.base, "StringEquals" | "StringEqualsIgnoreCase" | "StringNotEquals");
    let text = whole || matches!(operator.base, "StringLike" | "StringNotLike");
    match key.to_ascii_lowercase().as_str() {
        "aws:principalaccount" | "aws:sourceaccount" => whole.then_some(Kind::Account),
        "aws:principalorgid" | "aws:sourceorgid" => whole.then_some(Kind::OrgId),
        "aws:principalorgpaths" | "aws:sourceorgpaths" => text.then_some(Kind::OrgPath),
        _ => None,
    }
}

/// Whether a request can hold several values of the key, so that a set form of the operator is needed.
#[must_use]
pub fn is_multivalued(key: &str) -> bool {
    const MULTIVALUED: [&str; 6] = [
        "aws:calledvia",
        "aws:principalorgpaths",
        "aws:principalservicenameslist",
        "aws:sourceorgpaths",
        "aws:resourceorgpaths",
        "aws:tagkeys",
    ];
    MULTIVALUED.contains(&key.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_is_a_set_form_a_base_and_a_suffix() {
        for (text, qualifier, base, if_exists) in [
            ("StringLike", None, "StringLike", false),
            ("StringLikeIfExists", None, "StringLike", true),
            ("ForAnyValue:StringLike", Some(Qualifier::ForAnyValue), "StringLike", false),
            ("ForAllValues:ArnEqualsIfExists", Some(Qualifier::ForAllValues), "ArnEquals", true),
            ("ForSomeValues:StringLike", None, "ForSomeValues:StringLike", false),
        ] {
            assert_eq!(Operator::parse(text), Operator { qualifier, base, if_exists }, "{text}");
        }
    }

    #[test]
    fn only_iams_own_operators_are_known() {
        for (text, expected) in [
            ("StringLike", true),
            ("ForAnyValue:StringLikeIfExists", true),
            ("Null", true),
            ("NullIfExists", false),
            ("stringlike", false),
            ("ForSomeValues:StringLike", false),
            ("StringMatches", false),
            ("", false),
        ] {
            assert_eq!(Operator::parse(text).is_known(), expected, "{text}");
        }
    }
}
