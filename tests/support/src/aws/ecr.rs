//! ECR: repositories, their tags and their policies.

use serde_json::{Map, Value, json};

use super::{GetRepositoryPolicy, LIMIT, LOCK_OUT, Operation, Reply, SetRepositoryPolicy, State};

/// How many repositories are on a page where the caller does not say.
const PAGE: usize = 100;

/// The one repository that a request names, if it names one.
pub(super) fn repository_name(body: &Value) -> String {
    let arn = body["resourceArn"].as_str().and_then(|arn| arn.split_once(":repository/")).map(|(_, name)| name);
    let alone = body["repositoryNames"].as_array().filter(|names| names.len() == 1).and_then(|names| names[0].as_str());
    body["repositoryName"].as_str().or(arn).or(alone).unwrap_or("").to_owned()
}

impl State {
    /// The list, in pages. ECR promises no order, so that it is none that anybody would want.
    pub(super) fn describe_repositories(&mut self, region: &str, body: &Value) -> Reply {
        self.expect_own_registry(body);
        let invalid = |message: &str| Reply::Error(400, "InvalidParameterException", message.to_owned());
        let (most, next) = (body.get("maxResults"), body.get("nextToken").and_then(Value::as_str));
        if let Some(Value::Array(names)) = body.get("repositoryNames") {
            if most.is_some() || next.is_some() {
                return invalid("Invalid parameter: pages are not for a list of repository names");
            }
            let names = names.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>();
            let missing =
                names.iter().find(|name| !self.repositories.contains_key(&(region.to_owned(), (*name).clone())));
            return match missing {
                Some(name) => self.no_repository(name),
                None => Reply::Fine(json!({ "repositories": self.descriptions(region, &names) })),
            };
        }
        let most = most.map_or(PAGE, |most| most.as_u64().and_then(|most| usize::try_from(most).ok()).unwrap_or(0));
        if !(1..=1_000).contains(&most) {
            return invalid("Invalid parameter at 'maxResults': it must be between 1 and 1000");
        }
        let most = self.page.map_or(most, |page| page.min(most));
        let start = match next.map(|token| token.strip_prefix("page-after-").and_then(|place| place.parse().ok())) {
            None => 0,
            Some(Some(place)) => place,
            Some(None) => return invalid("Invalid parameter at 'nextToken'"),
        };
        let here = self.repositories.keys().filter(|(of, _)| of == region).map(|(_, name)| name.clone());
        let mut names: Vec<String> = here.collect();
        names.sort_by_key(|name| name.bytes().rev().collect::<Vec<_>>());
        let end = names.len().min(start + most);
        let mut answer = json!({ "repositories": self.descriptions(region, &names[start..end]) });
        if end < names.len() {
            answer["nextToken"] = format!("page-after-{end}").into();
        }
        Reply::Fine(answer)
    }

    fn descriptions(&self, region: &str, names: &[String]) -> Vec<Value> {
        let (partition, account) = (&self.partition, &self.account);
        let domain = if partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
        let description = |name: &String| {
            json!({
                "repositoryArn": format!("arn:{partition}:ecr:{region}:{account}:repository/{name}"),
                "registryId": account,
                "repositoryName": name,
                "repositoryUri": format!("{account}.dkr.ecr.{region}.{domain}/{name}"),
                "createdAt": 1_763_630_067.0,
                "imageTagMutability": "MUTABLE",
                "imageScanningConfiguration": { "scanOnPush": false },
                "encryptionConfiguration": { "encryptionType": "AES256" },
            })
        };
        names.iter().map(description).collect()
    }

    fn expect_own_registry(&mut self, body: &Value) {
        if let Some(registry) = body.get("registryId")
            && *registry != json!(self.account)
        {
            self.offences.push(format!("it asked for the registry {registry}"));
        }
    }

    pub(super) fn list_tags(&mut self, body: &Value) -> Reply {
        let arn = body["resourceArn"].as_str().unwrap_or("").to_owned();
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let (region, name) = match parts.as_slice() {
            ["arn", _, "ecr", region, account, rest] if *account == self.account => {
                (*region, rest.strip_prefix("repository/").unwrap_or(""))
            }
            _ => {
                self.offences.push(format!("it asked for the tags of `{arn}`"));
                ("", "")
            }
        };
        match self.repositories.get(&(region.to_owned(), name.to_owned())) {
            None => self.no_repository(name),
            Some(repository) => {
                let tags: Vec<Value> =
                    repository.tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
                Reply::Fine(json!({ "tags": tags }))
            }
        }
    }

    fn no_repository(&self, name: &str) -> Reply {
        let message =
            format!("The repository with name '{name}' does not exist in the registry with id '{}'", self.account);
        Reply::Error(400, "RepositoryNotFoundException", message)
    }

    pub(super) fn repository_policy(&mut self, operation: Operation, region: &str, body: &Value) -> Reply {
        let name = body["repositoryName"].as_str().unwrap_or("").to_owned();
        self.expect_own_registry(body);
        let key = (region.to_owned(), name.clone());
        let Some(current) = self.repositories.get(&key).map(|repository| repository.policy.clone()) else {
            return self.no_repository(&name);
        };
        let (answered, kept) = if operation == SetRepositoryPolicy {
            let text = body["policyText"].as_str().unwrap_or("");
            if body["force"] == json!(true) {
                self.offences.push("it forced a policy".to_owned());
            }
            if let Some(refusal) = self.refusal(text) {
                return Reply::Error(400, "InvalidParameterException", refusal);
            }
            let parsed: Value = serde_json::from_str(text).unwrap_or_default();
            let minified = parsed.to_string();
            if text != minified {
                self.offences.push(format!("it sent a policy that is not minified: {text}"));
            }
            let answer = as_ecr_answers(text, &self.partition);
            (answer.clone(), Some(answer))
        } else {
            let Some(current) = current else {
                let message = format!(
                    "Repository policy does not exist for the repository with name '{name}' in \
                     the registry with id '{}'",
                    self.account
                );
                return Reply::Error(400, "RepositoryPolicyNotFoundException", message);
            };
            let kept = (operation == GetRepositoryPolicy).then(|| current.clone());
            (current, kept)
        };
        self.repositories.entry(key).or_default().policy = kept;
        Reply::Fine(json!({
            "registryId": self.account,
            "repositoryName": name,
            "policyText": answered,
        }))
    }

    /// Why ECR would not have this policy.
    fn refusal(&self, text: &str) -> Option<String> {
        let constraint =
            |what: &str| format!("Invalid parameter at 'PolicyText' failed to satisfy constraint: '{what}'");
        if text.chars().count() > LIMIT {
            return Some(constraint("must have length less than or equal to 10240"));
        }
        let Ok(Value::Object(policy)) = serde_json::from_str::<Value>(text) else {
            return Some(constraint("Invalid repository policy provided"));
        };
        let statements = match policy.get("Statement") {
            Some(Value::Array(statements)) if !statements.is_empty() => statements.clone(),
            Some(statement @ Value::Object(_)) => vec![statement.clone()],
            _ => return Some(constraint("Invalid repository policy provided")),
        };
        for statement in &statements {
            let has = |key: &str| statement.get(key).is_some();
            let whole =
                has("Effect") && (has("Principal") || has("NotPrincipal")) && (has("Action") || has("NotAction"));
            if !whole || has("Resource") || has("NotResource") {
                return Some(constraint("Invalid repository policy provided"));
            }
            for principal in strings(&statement["Principal"]["AWS"]) {
                let deleted = ["AIDA", "AROA"].iter().any(|id| principal.starts_with(id));
                if deleted || self.strangers.contains(&principal) {
                    return Some(constraint("Principal not found"));
                }
            }
            let everyone = statement["Principal"] == "*" || statement["Principal"]["AWS"] == "*";
            let everything = strings(&statement["Action"])
                .iter()
                .any(|action| action == "ecr:*" || action == "ecr:SetRepositoryPolicy");
            if statement["Effect"] == "Deny" && everyone && everything && !has("Condition") {
                return Some(LOCK_OUT.to_owned());
            }
        }
        None
    }
}

/// The strings of a value that is one or a list of them.
pub fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(string) => vec![string.clone()],
        Value::Array(values) => values.iter().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

/// A policy as ECR answers it: pretty-printed, a one-element array as a plain string, an account
/// id that is a principal as its root ARN.
pub fn as_ecr_answers(text: &str, partition: &str) -> String {
    fn unwrapped(value: Value) -> Value {
        match value {
            Value::Array(mut values) if values.len() == 1 && values.iter().all(Value::is_string) => values.remove(0),
            Value::Array(values) => Value::Array(values.into_iter().map(unwrapped).collect()),
            Value::Object(members) => {
                Value::Object(members.into_iter().map(|(key, value)| (key, unwrapped(value))).collect())
            }
            other => other,
        }
    }
    fn as_arn(value: &mut Value, partition: &str) {
        match value {
            Value::String(id) if id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit()) => {
                *id = format!("arn:{partition}:iam::{id}:root");
            }
            Value::Array(values) => values.iter_mut().for_each(|value| as_arn(value, partition)),
            _ => {}
        }
    }
    let mut policy: Map<String, Value> = serde_json::from_str(text).unwrap();
    if let Some(Value::Array(statements)) = policy.get_mut("Statement") {
        for statement in statements {
            for key in ["Principal", "NotPrincipal"] {
                if let Some(principals) = statement.get_mut(key).and_then(|it| it.get_mut("AWS")) {
                    as_arn(principals, partition);
                }
            }
            *statement = unwrapped(statement.take());
        }
    }
    serde_json::to_string_pretty(&policy).unwrap()
}
