//! The registry: its repositories, and ECR's operations on them.

use std::{collections::HashMap, rc::Rc};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::policy::{as_ecr_answers, statements};

pub(crate) const ACCOUNT: &str = "123456789012";
const REGION: &str = "eu-west-1";
const POLICY_TEXT_LIMIT: usize = 10_240;

/// The statement that a sweep is to give to every repository.
const STATEMENT: &str = include_str!("../statement.json");
/// A statement that somebody else wrote, and that has to stay.
const FOREIGN: &str = r#"{
    "Sid": "ScannerReads",
    "Effect": "Allow",
    "Principal": { "AWS": "arn:aws:iam::444455556666:role/scanner" },
    "Action": ["ecr:BatchGetImage", "ecr:DescribeImageScanFindings"]
}"#;

#[derive(Debug)]
pub(crate) struct Registry {
    repositories: Vec<Repository>,
    by_name: HashMap<String, usize>,
    /// What was sent, and how it is answered: most policies are alike, and so take no memory.
    wordings: HashMap<String, Rc<str>>,
}

#[derive(Debug)]
struct Repository {
    name: String,
    has_foreign: bool,
    policy: Option<Rc<str>>,
}

/// What any of the operations may be given.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Input {
    repository_names: Option<Vec<String>>,
    max_results: Option<usize>,
    next_token: Option<String>,
    repository_name: String,
    policy_text: String,
    resource_arn: String,
}

/// Why an operation is refused.
#[derive(Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) kind: &'static str,
    pub(crate) message: String,
}

type Answer = Result<Value, Refusal>;

impl Registry {
    /// A registry of which that many in a hundred have the right policy already, or a foreign statement alone. The
    /// others have no policy.
    pub(crate) fn new(size: usize, right: usize, foreign: usize) -> Self {
        let mut registry = Self { repositories: Vec::new(), by_name: HashMap::new(), wordings: HashMap::new() };
        for number in 0..size {
            // Any hundred in a row are mixed.
            let place = number * 37 % 100;
            let has_foreign = (right..right + foreign).contains(&place);
            let policy = (place < right || has_foreign).then_some(if has_foreign { FOREIGN } else { STATEMENT });
            let policy =
                policy.and_then(|it| registry.worded(&format!(r#"{{"Version":"2012-10-17","Statement":[{it}]}}"#)));
            let name = format!("team-{:02}/service-{number:06}", number % 40);
            registry.by_name.insert(name.clone(), number);
            registry.repositories.push(Repository { name, has_foreign, policy });
        }
        registry
    }

    /// The names of the repositories that have not exactly the statements that they should.
    pub(crate) fn wrong(&self) -> Vec<&str> {
        let parsed = |statement| statements(&format!(r#"{{"Statement":[{statement}]}}"#));
        let (ours, foreign) = (parsed(STATEMENT), parsed(FOREIGN));
        let is_wrong = |repository: &&Repository| {
            let there = repository.policy.as_deref().map(statements).unwrap_or_default();
            let wanted: Vec<_> = ours.iter().chain(foreign.iter().filter(|_| repository.has_foreign)).collect();
            there.len() != wanted.len() || !wanted.into_iter().all(|statement| there.contains(statement))
        };
        self.repositories.iter().filter(is_wrong).map(|repository| repository.name.as_str()).collect()
    }

    pub(crate) fn describe(&self, input: &Input) -> Answer {
        if let Some(names) = &input.repository_names {
            let found = names.iter().map(|name| Ok(&self.repositories[self.find(name)?]));
            return Ok(json!({ "repositories": found.map(|it| Ok(described(it?))).collect::<Result<Vec<_>, _>>()? }));
        }
        let from = match &input.next_token {
            None => 0,
            Some(token) => token.parse().map_err(|_| invalid("nextToken", "it is none of ours"))?,
        };
        let most = input.max_results.unwrap_or(100);
        if !(1..=1_000).contains(&most) {
            return Err(invalid("maxResults", "Member must have value between 1 and 1000"));
        }
        let page: Vec<_> = self.repositories.iter().skip(from).take(most).map(described).collect();
        let next = from + page.len();
        let mut answer = json!({ "repositories": page });
        if next < self.repositories.len() {
            answer["nextToken"] = next.to_string().into();
        }
        Ok(answer)
    }

    pub(crate) fn policy(&self, input: &Input) -> Answer {
        let repository = &self.repositories[self.find(&input.repository_name)?];
        match &repository.policy {
            Some(policy) => Ok(answered(repository, policy)),
            None => Err(no_policy(repository)),
        }
    }

    pub(crate) fn set_policy(&mut self, input: &Input) -> Answer {
        let index = self.find(&input.repository_name)?;
        if input.policy_text.chars().count() > POLICY_TEXT_LIMIT {
            return Err(invalid("PolicyText", "Repository policy is too long"));
        }
        let policy = self.worded(&input.policy_text);
        let policy = policy.ok_or_else(|| invalid("PolicyText", "Invalid repository policy provided"))?;
        let repository = &mut self.repositories[index];
        repository.policy = Some(Rc::clone(&policy));
        Ok(answered(repository, &policy))
    }

    pub(crate) fn delete_policy(&mut self, input: &Input) -> Answer {
        let index = self.find(&input.repository_name)?;
        let repository = &mut self.repositories[index];
        match repository.policy.take() {
            Some(policy) => Ok(answered(repository, &policy)),
            None => Err(no_policy(repository)),
        }
    }

    /// No repository has tags.
    pub(crate) fn tags(&self, input: &Input) -> Answer {
        let name = input.resource_arn.split_once(":repository/").map_or("", |(_, name)| name);
        self.find(name).map(|_| json!({ "tags": [] }))
    }

    fn find(&self, name: &str) -> Result<usize, Refusal> {
        self.by_name.get(name).copied().ok_or_else(|| Refusal {
            kind: "RepositoryNotFoundException",
            message: format!("The repository with name '{name}' does not exist in the registry with id '{ACCOUNT}'"),
        })
    }

    fn worded(&mut self, text: &str) -> Option<Rc<str>> {
        if let Some(known) = self.wordings.get(text) {
            return Some(Rc::clone(known));
        }
        let worded: Rc<str> = as_ecr_answers(text)?.into();
        self.wordings.insert(text.to_owned(), Rc::clone(&worded));
        Some(worded)
    }
}

fn described(repository: &Repository) -> Value {
    let name = &repository.name;
    json!({
        "repositoryArn": format!("arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{name}"),
        "registryId": ACCOUNT,
        "repositoryName": name,
        "repositoryUri": format!("{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{name}"),
        "createdAt": 1_700_000_000.0,
        "imageTagMutability": "IMMUTABLE",
        "imageScanningConfiguration": { "scanOnPush": true },
        "encryptionConfiguration": { "encryptionType": "AES256" },
    })
}

fn answered(repository: &Repository, policy: &str) -> Value {
    json!({ "registryId": ACCOUNT, "repositoryName": repository.name, "policyText": policy })
}

fn no_policy(repository: &Repository) -> Refusal {
    Refusal {
        kind: "RepositoryPolicyNotFoundException",
        message: format!(
            "Repository policy does not exist for the repository with name '{}' in the registry with id '{ACCOUNT}'",
            repository.name
        ),
    }
}

fn invalid(parameter: &str, why: &str) -> Refusal {
    Refusal {
        kind: "InvalidParameterException",
        message: format!("Invalid parameter at '{parameter}' failed to satisfy constraint: '{why}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(value: Value) -> Input {
        serde_json::from_value(value).unwrap()
    }

    fn names(answer: &Value) -> Vec<&str> {
        let repositories = answer["repositories"].as_array().unwrap();
        repositories.iter().map(|it| it["repositoryName"].as_str().unwrap()).collect()
    }

    #[test]
    fn pages_hold_every_repository_once() {
        let registry = Registry::new(2_500, 0, 0);
        let (mut seen, mut token) = (Vec::new(), Value::Null);
        for expected in [1_000, 1_000, 500] {
            let page = registry.describe(&input(json!({ "maxResults": 1_000, "nextToken": token }))).unwrap();
            assert_eq!(names(&page).len(), expected);
            seen.extend(names(&page).into_iter().map(str::to_owned));
            token = page["nextToken"].clone();
        }
        assert_eq!(token, Value::Null);
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 2_500);
    }

    #[test]
    fn named_repositories_are_described_or_unknown() {
        let registry = Registry::new(10, 0, 0);
        let found = registry.describe(&input(json!({ "repositoryNames": ["team-03/service-000003"] }))).unwrap();
        assert_eq!(names(&found), ["team-03/service-000003"]);
        let refusal = registry.describe(&input(json!({ "repositoryNames": ["nobody"] }))).unwrap_err();
        assert_eq!(refusal.kind, "RepositoryNotFoundException");
    }

    #[test]
    fn a_policy_is_right_with_the_statement_and_what_others_wrote_and_nothing_else() {
        let set = |statements: &str| {
            let mut registry = Registry::new(1, 0, 100);
            assert_eq!(registry.wrong(), ["team-00/service-000000"]);
            let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
            let name = "team-00/service-000000";
            registry.set_policy(&input(json!({ "repositoryName": name, "policyText": text }))).unwrap();
            registry.wrong().is_empty()
        };
        assert!(set(&format!("{FOREIGN},{STATEMENT}")));
        assert!(set(&format!("{STATEMENT},{FOREIGN}")));
        assert!(!set(STATEMENT));
        assert!(!set(FOREIGN));
        assert!(!set(&format!("{FOREIGN},{STATEMENT},{STATEMENT}")));
        assert!(!set(&format!("{FOREIGN},{}", STATEMENT.replace("ecr:BatchGetImage", "ecr:*"))));
    }

    #[test]
    fn the_shares_are_those_of_every_hundred() {
        let registry = Registry::new(1_000, 30, 20);
        let foreign = registry.repositories.iter().filter(|it| it.has_foreign).count();
        let none = registry.repositories.iter().filter(|it| it.policy.is_none()).count();
        assert_eq!((foreign, none, registry.wrong().len()), (200, 500, 700));
    }
}
