//! What the pure core is given at real sizes.

use ecr_autopolicy::{
    configuration::{Configuration, Tags},
    policy::{
        document::{Document, Statement},
        sid::SidPrefix,
    },
    repository::{Registry, Repository},
};
use serde_json::{Value, json};

/// One configuration, and one repository that holds something already.
pub struct Case {
    /// The parameter's value.
    pub text: String,
    /// The same, read.
    pub configuration: Configuration,
    /// What the repository should have.
    pub desired: Vec<Statement>,
    /// What it has, as ECR words it: foreign statements, and ours with one action too many.
    pub current: Document,
    /// What it will have.
    pub target: Document,
    /// The same as ECR words it.
    pub reworded: Document,
    /// The prefix of our statements.
    pub prefix: SidPrefix,
    /// The registry.
    pub registry: Registry,
    /// The repository.
    pub repository: Repository,
}

impl Case {
    /// That many rules for one account each.
    pub fn rules(count: usize) -> Self {
        let rules = (0..count).map(|number| {
            let access = ["Pull", "Push"][number % 2];
            rule(&format!("Rule{number}"), account(number), access)
        });
        Self::new(rules.collect(), 0)
    }

    /// One rule for that many accounts.
    pub fn accounts(count: usize) -> Self {
        let accounts: Vec<_> = (0..count).map(account).collect();
        Self::new(vec![rule("Accounts", accounts, "Pull")], 0)
    }

    /// One rule, and a policy of that many characters of somebody else.
    pub fn foreign(characters: usize) -> Self {
        Self::new(vec![rule("Accounts", account(0), "Pull")], characters)
    }

    fn new(rules: Vec<Value>, foreign: usize) -> Self {
        let text = serde_json::to_string_pretty(&json!({ "rules": rules })).unwrap();
        let (prefix, registry) = (SidPrefix::default(), Registry::new("123456789012", "eu-west-1").unwrap());
        let repository = Repository::new(registry.clone(), "team/service").unwrap();
        let (configuration, _) = Configuration::parse(&text, &prefix, &registry).unwrap();
        let desired = configuration.desired(&repository, &Tags::new(), &prefix).unwrap().statements;
        let mut statements = Vec::new();
        while length(&statements) < foreign {
            statements.push(json!({
                "Sid": format!("Team{}", statements.len()),
                "Effect": "Allow",
                "Principal": { "AWS": format!("arn:aws:iam::{}:role/service-{}", account(7), statements.len()) },
                "Action": ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
            }));
        }
        let document = |statements: &[Value]| {
            let value = json!({ "Version": "2012-10-17", "Statement": statements });
            Document::parse(&value.to_string()).unwrap()
        };
        let ours: Vec<_> = desired.iter().map(|statement| Value::Object(statement.elements().clone())).collect();
        let outdated = ours.iter().cloned().map(|mut statement| {
            statement["Action"].as_array_mut().unwrap().push("ecr:ListImages".into());
            statement
        });
        let all: Vec<_> = statements.iter().chain(&ours).cloned().collect();
        Self {
            current: document(&reworded(statements.into_iter().chain(outdated).collect())),
            reworded: document(&reworded(all.clone())),
            target: document(&all),
            text,
            configuration,
            desired,
            prefix,
            registry,
            repository,
        }
    }
}

fn rule(name: &str, accounts: impl Into<Value>, access: &str) -> Value {
    let accounts = match accounts.into() {
        Value::Array(accounts) => accounts,
        one => vec![one],
    };
    json!({ "name": name, "template": "account-list", "with": { "accounts": accounts, "access": access } })
}

fn account(number: usize) -> String {
    format!("{:012}", 300_000_000_000_u64 + 7_919 * number as u64)
}

fn length(statements: &[Value]) -> usize {
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string().len()
}

/// ECR writes a list of one as a word.
fn reworded(statements: Vec<Value>) -> Vec<Value> {
    fn word(value: Value) -> Value {
        match value {
            Value::Array(mut values) if values.len() == 1 && values.iter().all(Value::is_string) => values.remove(0),
            Value::Object(members) => members.into_iter().map(|(key, value)| (key, word(value))).collect(),
            other => other,
        }
    }
    statements.into_iter().map(word).collect()
}
