//! The kinds of value that a template's variable takes, each with its own check.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;

use super::{access::AccessLevel, exposure::is_organization_id, principal, wildcard};
use crate::{
    finding::{Finding, Place},
    repository::is_account_id,
};

/// A kind of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An account id of 12 digits.
    Account,
    /// An organization's id.
    OrgId,
    /// A path of `aws:PrincipalOrgPaths`, from the organization down.
    OrgPath,
    /// An account, a role or a user.
    Principal,
    /// A service principal.
    Service,
    /// A network or an address.
    Cidr,
    /// The name of an access level.
    AccessLevel,
    /// Any text.
    Text,
}

impl Kind {
    /// An example of the kind.
    #[must_use]
    pub fn example(self) -> &'static str {
        match self {
            Self::Account => "111122223333",
            Self::OrgId => "o-a1b2c3d4e5",
            Self::OrgPath => "o-a1b2c3d4e5/*/ou-ab12-cd34ef56/*",
            Self::Principal => "arn:aws:iam::111122223333:role/deployer",
            Self::Service => "codebuild.amazonaws.com",
            Self::Cidr => "192.0.2.0/24",
            Self::AccessLevel => "Pull",
            Self::Text => "text",
        }
    }

    /// Checks one value.
    ///
    /// # Errors
    /// Where it is not of this kind.
    pub fn check(self, text: &str, place: &Place) -> Result<(), Finding> {
        let mismatch = |wanted: &str, advice: &str| {
            Err(Finding::error(place, format!("`{text}` is not {wanted}"))
                .hint(format!("{advice}, as `{}`", self.example())))
        };
        match self {
            Self::Account if is_account_id(text) => Ok(()),
            Self::Account => mismatch("an account id", "write its 12 digits as text"),
            Self::OrgId if is_organization_id(text) => Ok(()),
            Self::OrgId => mismatch("an organization id", "write it whole"),
            Self::OrgPath => check_org_path(text, place),
            Self::Principal if is_principal(text) => Ok(()),
            Self::Principal => mismatch(
                "an account id or the ARN of an account, a role or a user",
                "write it without wildcards, which IAM does not allow here",
            ),
            Self::Service if is_service(text) => Ok(()),
            Self::Service => mismatch("a service principal", "it ends in `.amazonaws.com`"),
            Self::Cidr if text.parse::<IpNet>().is_ok() || text.parse::<IpAddr>().is_ok() => Ok(()),
            Self::Cidr => mismatch("a network", "write an address and the length of its prefix"),
            Self::AccessLevel if AccessLevel::names().any(|name| name == text) => Ok(()),
            Self::AccessLevel => {
                Err(Finding::error(place, format!("unknown access level `{text}`")).nearest(text, AccessLevel::names()))
            }
            Self::Text => Ok(()),
        }
    }
}

/// A value of `aws:PrincipalOrgPaths` is `o-…/r-…/ou-…/ou-…/`, each id followed by a slash.
fn check_org_path(text: &str, place: &Place) -> Result<(), Finding> {
    let mismatch = |message: String, hint: &str| {
        Err(Finding::error(place, message).hint(format!("{hint}, as `{}`", Kind::OrgPath.example())))
    };
    let (organization, below) = text.split_once('/').unwrap_or((text, ""));
    if !is_organization_id(organization) {
        return mismatch(
            format!("`{text}` does not begin with an organization id"),
            "ids of units are unique only within one organization, so begin with its id, without a wildcard",
        );
    }
    let mut levels = below.split('/').collect::<Vec<_>>();
    if !matches!(levels.pop(), Some("" | "*")) || (below.is_empty() && !text.ends_with('/')) {
        return mismatch(
            format!("`{text}` does not end in `/` or `/*`"),
            "end with `/*` for the unit and all below it, or with `/` for the unit alone",
        );
    }
    for (depth, level) in levels.into_iter().enumerate() {
        if depth == 0 && is_unit(level) {
            return mismatch(
                format!("the root is missing before `{level}` in `{text}`"),
                "write the root's id, or `*` for it",
            );
        }
        let known = match depth {
            0 => level == "*" || is_root(level),
            _ => level == "*" || is_unit(level),
        };
        if !known {
            return mismatch(
                format!("`{level}` in `{text}` is not the whole id of a root or a unit"),
                "part of an id with a wildcard could match other units, so write each id whole, or `*` for any",
            );
        }
    }
    Ok(())
}

/// `^r-[0-9a-z]{4,32}$`, from the Organizations API.
fn is_root(text: &str) -> bool {
    text.strip_prefix("r-").is_some_and(|id| is_lower_alphanumeric(id, 4))
}

/// `^ou-[0-9a-z]{4,32}-[a-z0-9]{8,32}$`, from the Organizations API.
fn is_unit(text: &str) -> bool {
    text.strip_prefix("ou-")
        .and_then(|ids| ids.split_once('-'))
        .is_some_and(|(root, unit)| is_lower_alphanumeric(root, 4) && is_lower_alphanumeric(unit, 8))
}

fn is_lower_alphanumeric(text: &str, at_least: usize) -> bool {
    (at_least..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// Whether the text can stand as an `AWS` principal that ECR resolves.
pub(super) fn is_principal(text: &str) -> bool {
    if principal::account(text).is_some() {
        return true;
    }
    let components = text.splitn(6, ':').collect::<Vec<_>>();
    let [scheme, partition, service, region, account, resource] = components.as_slice() else { return false };
    let (kind, name) = resource.split_once('/').unwrap_or((resource, ""));
    let kind_known = match *service {
        "iam" => matches!(kind, "role" | "user"),
        "sts" => matches!(kind, "assumed-role" | "federated-user"),
        _ => false,
    };
    *scheme == "arn"
        && principal::is_partition(partition)
        && region.is_empty()
        && is_account_id(account)
        && kind_known
        && !name.is_empty()
        && !wildcard::is_pattern(text)
        && !text.contains(char::is_whitespace)
}

/// Whether the text is the name of a service principal.
pub(super) fn is_service(text: &str) -> bool {
    let name = text.strip_suffix(".amazonaws.com").or_else(|| text.strip_suffix(".amazonaws.com.cn"));
    name.is_some_and(|name| {
        !name.is_empty()
            && name.split('.').all(|label| {
                !label.is_empty()
                    && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: Kind, valid: &[&str], invalid: &[&str]) {
        for text in valid {
            assert_eq!(kind.check(text, &Place::root()), Ok(()), "{text}");
        }
        for text in invalid {
            assert!(kind.check(text, &Place::root()).is_err(), "{text}");
        }
        assert_eq!(kind.check(kind.example(), &Place::root()), Ok(()), "the example of {kind:?}");
    }

    #[test]
    fn each_kind_takes_its_own_values_only() {
        check(Kind::Account, &["000000000000"], &["", "11112222333", "1111222233334", "11112222333a", "*"]);
        check(Kind::OrgId, &["o-a1b2c3d4e5"], &["", "o-*", "o-A1B2C3D4E5", "o-short", "r-a1b2c3d4e5"]);
        check(
            Kind::Principal,
            &[
                "111122223333",
                "arn:aws:iam::111122223333:root",
                "arn:aws-cn:iam::111122223333:user/path/name",
                "arn:aws:sts::111122223333:assumed-role/role/session",
            ],
            &[
                "*",
                "arn:aws:iam::111122223333:role/*",
                "arn:aws:iam::*:root",
                "arn:aws:iam::111122223333:group/x",
                "arn:aws:iam::111122223333:role/",
                "AIDAEXAMPLEEXAMPLE12",
                "arn:aws:s3:::bucket",
            ],
        );
        check(
            Kind::Service,
            &["lambda.amazonaws.com", "codebuild.eu-central-1.amazonaws.com", "ec2.amazonaws.com.cn"],
            &["lambda", "*.amazonaws.com", ".amazonaws.com", "lambda.amazonaws.com.example", "Lambda.amazonaws.com"],
        );
        check(Kind::Cidr, &["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"], &["10.0.0.0/33", "ten", "10.0.0/8", ""]);
        check(Kind::AccessLevel, &["Pull", "Push", "PullPush", "Read", "Full"], &["pull", "Write", ""]);
        check(Kind::Text, &["", "anything"], &[]);
    }

    #[test]
    fn an_org_path_names_its_units_whole() {
        check(
            Kind::OrgPath,
            &[
                "o-a1b2c3d4e5/*",
                "o-a1b2c3d4e5/",
                "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/ou-ab12-22222222/",
                "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/*",
                "o-a1b2c3d4e5/*/ou-ab12-11111111/*",
            ],
            &[
                "o-a1b2c3d4e5/ou-ab12-11111111/*",
                "",
                "*",
                "o-a1b2c3d4e5",
                "o-*/r-ab12/*",
                "*/ou-ab12-11111111/*",
                "r-ab12/ou-ab12-11111111/*",
                "o-a1b2c3d4e5/r-ab12/ou-ab12-1*",
                "o-a1b2c3d4e5/r-ab12/ou-ab12-1*/",
                "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111",
                "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111*",
                "o-a1b2c3d4e5//*",
                "o-a1b2c3d4e5/r-ab12/r-ab12/*",
            ],
        );
    }
}
