//! What a repository is called: registry, Region, partition, name and ARN.

use std::fmt;

use thiserror::Error;

/// The private registry of one account in one Region.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Registry {
    id: String,
    region: String,
    partition: String,
}

impl Registry {
    /// A registry in the Region's own partition.
    ///
    /// # Errors
    /// Where `id` is not an account id, or `region` does not have the form of a Region's name.
    pub fn new(id: &str, region: &str) -> Result<Self, InvalidRepository> {
        if !is_account_id(id) {
            return Err(InvalidRepository::RegistryId(id.to_owned()));
        }
        if !is_region(region) {
            return Err(InvalidRepository::Region(region.to_owned()));
        }
        Ok(Self { id: id.to_owned(), region: region.to_owned(), partition: partition_of(region).to_owned() })
    }

    /// A registry to check a configuration for where no real one is known: that of the account `000000000000`, which
    /// nobody has, in `us-east-1`.
    #[must_use]
    pub fn sample() -> Self {
        Self { id: "000000000000".to_owned(), region: "us-east-1".to_owned(), partition: "aws".to_owned() }
    }

    /// The account id that owns the registry, 12 digits.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The Region, as `eu-central-1`.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The partition, as `aws`, `aws-cn` or `aws-us-gov`.
    #[must_use]
    pub fn partition(&self) -> &str {
        &self.partition
    }
}

/// One repository of a registry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Repository {
    registry: Registry,
    name: String,
}

impl Repository {
    /// The repository of that name.
    ///
    /// # Errors
    /// Where ECR's pattern for `repositoryName` forbids the name.
    pub fn new(registry: Registry, name: &str) -> Result<Self, InvalidRepository> {
        if !is_repository_name(name) {
            return Err(InvalidRepository::Name(name.to_owned()));
        }
        Ok(Self { registry, name: name.to_owned() })
    }

    /// A repository of the registry to render for where no real one is at hand.
    #[must_use]
    pub fn sample(registry: &Registry) -> Self {
        Self { registry: registry.clone(), name: "sample/repository".to_owned() }
    }

    /// The registry that holds it.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Its name, namespace included, as `team/app`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its ARN, as `arn:aws:ecr:eu-central-1:111122223333:repository/team/app`.
    #[must_use]
    pub fn arn(&self) -> String {
        let Registry { id, region, partition } = &self.registry;
        format!("arn:{partition}:ecr:{region}:{id}:repository/{}", self.name)
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.arn())
    }
}

/// A name that no repository can have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidRepository {
    /// The registry's id is not an account id.
    #[error("`{0}` is not an account id; it has 12 digits")]
    RegistryId(String),
    /// The Region does not have the form of one.
    #[error("`{0}` is not the name of a Region, as `eu-central-1`")]
    Region(String),
    /// The repository's name is not one that ECR accepts.
    #[error(
        "`{0}` is not a repository name; ECR takes 2 to 256 lower-case letters, digits, and single `.`, `_`, \
         `__`, `-` or `/` between them"
    )]
    Name(String),
}

impl InvalidRepository {
    /// The name that cannot be one.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::RegistryId(name) | Self::Region(name) | Self::Name(name) => name,
        }
    }
}

/// Whether the text is an account id: 12 digits.
#[must_use]
pub fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A Region's name becomes part of a host name, so nothing but its own alphabet may pass.
fn is_region(text: &str) -> bool {
    let mut words = text.split('-');
    let number = words.next_back().unwrap_or_default();
    text.len() <= 32
        && words.clone().count() >= 2
        && words.all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// The partition of a Region, by the Region's prefix.
///
/// Source: the `regionRegex` of each partition in the SDKs' `partitions.json`.
pub(crate) fn partition_of(region: &str) -> &'static str {
    const BY_PREFIX: [(&str, &str); 7] = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-isob-", "aws-iso-b"),
        ("us-isof-", "aws-iso-f"),
        ("us-iso-", "aws-iso"),
        ("eu-isoe-", "aws-iso-e"),
        ("eusc-", "aws-eusc"),
    ];
    BY_PREFIX.iter().find(|(prefix, _)| region.starts_with(prefix)).map_or("aws", |(_, partition)| partition)
}

/// ECR's own pattern, from the `repositoryName` of the `CreateRepository` API:
/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*`, 2 to 256 characters.
fn is_repository_name(text: &str) -> bool {
    (2..=256).contains(&text.len()) && text.split('/').all(is_path_component)
}

fn is_path_component(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.first().is_some_and(|byte| is_word(*byte))
        && bytes.last().is_some_and(|byte| is_word(*byte))
        && text
            .split(|character: char| u8::try_from(character).is_ok_and(is_word))
            .all(|separator| matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_name(name: &str, expected: bool) {
        assert_eq!(is_repository_name(name), expected, "{name}");
    }

    #[test]
    fn a_repository_name_is_what_ecrs_pattern_says() {
        let long = "a".repeat(256);
        for name in ["ab", "a/b", "team/app", "a.b", "a_b", "a__b", "a-b", "a---b", "a1/b2/c3", "00", &long] {
            check_name(name, true);
        }
        let too_long = "a".repeat(257);
        for name in [
            "", "a", "A/b", "a/", "/a", "a//b", "-a", "a-", "a..b", "a___b", "a._b", "a b", "a*", "é9", "a\nb", "a:b",
            &too_long,
        ] {
            check_name(name, false);
        }
    }

    #[test]
    fn a_region_has_the_form_of_one() {
        for (region, expected) in [
            ("eu-central-1", true),
            ("us-gov-west-1", true),
            ("us-isob-east-1", true),
            ("eusc-de-east-1", true),
            ("ap-southeast-12", true),
            ("", false),
            ("eu-1", false),
            ("eu--1", false),
            ("eu-central-1.example.com/", false),
            ("EU-CENTRAL-1", false),
            ("eu-central", false),
        ] {
            assert_eq!(is_region(region), expected, "{region}");
        }
    }

    #[test]
    fn the_samples_have_names_that_could_be_real() {
        let sample = Repository::sample(&Registry::sample());
        let registry = Registry::new(sample.registry().id(), sample.registry().region()).unwrap();
        assert_eq!(Repository::new(registry, sample.name()), Ok(sample));
    }

    #[test]
    fn the_arn_names_the_regions_partition() {
        for (region, partition) in [
            ("eu-central-1", "aws"),
            ("cn-north-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
            ("us-iso-east-1", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
            ("eu-isoe-west-1", "aws-iso-e"),
            ("us-isof-south-1", "aws-iso-f"),
            ("eusc-de-east-1", "aws-eusc"),
        ] {
            let repository = Repository::new(Registry::new("111122223333", region).unwrap(), "team/app").unwrap();
            assert_eq!(repository.arn(), format!("arn:{partition}:ecr:{region}:111122223333:repository/team/app"));
        }
    }
}
