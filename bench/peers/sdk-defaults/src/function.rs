//! What both programs on the SDK do; they differ in how it is set up.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use lambda_runtime::{Error, LambdaEvent};
use serde_json::{Value, json};

const PREFIX: &str = "AutoPolicy";
const KEEP: Duration = Duration::from_secs(60);

pub(crate) struct Function {
    ssm: aws_sdk_ssm::Client,
    ecr: aws_sdk_ecr::Client,
    parameter: String,
    kept: Mutex<Option<(Arc<Vec<Value>>, Instant)>>,
}

impl Function {
    pub(crate) fn new(ssm: aws_sdk_ssm::Client, ecr: aws_sdk_ecr::Client) -> Result<Self, Error> {
        Ok(Self { ssm, ecr, parameter: env::var("POLICY_PARAMETER")?, kept: Mutex::new(None) })
    }

    pub(crate) async fn handle(&self, event: LambdaEvent<Value>) -> Result<Value, Error> {
        let detail = &event.payload["detail"];
        if detail["eventSource"] != "ecr.amazonaws.com" || detail["eventName"] != "CreateRepository" {
            return Ok(json!({ "outcomes": [], "ignored": "no repository was created" }));
        }
        if let Some(code) = detail["errorCode"].as_str() {
            return Ok(json!({ "outcomes": [], "ignored": format!("the call failed with {code}") }));
        }
        let repository = &detail["responseElements"]["repository"];
        let text = |key: &str| repository[key].as_str().ok_or(format!("the event has no {key}"));
        let outcome = self.bring_in_line(text("registryId")?, text("repositoryName")?).await?;
        tracing::info!(repository = text("repositoryArn")?, outcome);
        Ok(json!({ "outcomes": [{ "repository": text("repositoryArn")?, "outcome": outcome }] }))
    }

    async fn bring_in_line(&self, registry: &str, name: &str) -> Result<&'static str, Error> {
        let (desired, current) = tokio::try_join!(self.desired(), self.current(registry, name))?;
        let (managed, foreign): (Vec<_>, Vec<_>) = current.into_iter().partition(is_ours);
        if meanings(&managed) == meanings(&desired) {
            return Ok("unchanged");
        }
        let statements: Vec<_> = foreign.iter().chain(desired.iter()).collect();
        let policy = json!({ "Version": "2012-10-17", "Statement": statements });
        let request = self.ecr.set_repository_policy().registry_id(registry).repository_name(name);
        request.policy_text(policy.to_string()).send().await?;
        Ok("applied")
    }

    pub(crate) async fn desired(&self) -> Result<Arc<Vec<Value>>, Error> {
        if let Some((statements, until)) = &*self.kept.lock().unwrap()
            && Instant::now() < *until
        {
            return Ok(Arc::clone(statements));
        }
        let until = Instant::now() + KEEP;
        let answer = self.ssm.get_parameter().name(&self.parameter).with_decryption(true).send().await?;
        let text = answer.parameter.and_then(|parameter| parameter.value).unwrap_or_default();
        let mut policy: Value = serde_json::from_str(&text)?;
        let mut statements = policy["Statement"].as_array_mut().map(std::mem::take).unwrap_or_default();
        for statement in &mut statements {
            statement["Sid"] = format!("{PREFIX}{}", statement["Sid"].as_str().unwrap_or_default()).into();
        }
        let statements = Arc::new(statements);
        *self.kept.lock().unwrap() = Some((Arc::clone(&statements), until));
        Ok(statements)
    }

    async fn current(&self, registry: &str, name: &str) -> Result<Vec<Value>, Error> {
        let answer = self.ecr.get_repository_policy().registry_id(registry).repository_name(name).send().await;
        let text = match answer {
            Ok(answer) => answer.policy_text.unwrap_or_default(),
            Err(error) => match error.into_service_error() {
                error if error.is_repository_policy_not_found_exception() => return Ok(Vec::new()),
                error => return Err(error.into()),
            },
        };
        let mut policy: Value = serde_json::from_str(&text)?;
        Ok(policy["Statement"].as_array_mut().map(std::mem::take).unwrap_or_default())
    }
}

fn is_ours(statement: &Value) -> bool {
    statement["Sid"].as_str().is_some_and(|sid| sid.starts_with(PREFIX))
}

type Meaning = BTreeMap<String, BTreeSet<String>>;

/// ECR answers a policy in other words than it was written in, so that texts cannot be compared.
fn meanings(statements: &[Value]) -> BTreeSet<Meaning> {
    statements.iter().map(meaning).collect()
}

fn meaning(statement: &Value) -> Meaning {
    let elements = statement.as_object().into_iter().flatten();
    elements.map(|(key, value)| (key.clone(), element(key, value))).collect()
}

fn element(key: &str, value: &Value) -> BTreeSet<String> {
    match (key, value) {
        ("Principal" | "NotPrincipal", Value::Object(kinds)) => kinds
            .iter()
            .flat_map(|(kind, names)| words(names).into_iter().map(move |name| format!("{kind} {}", account(&name))))
            .collect(),
        ("Principal" | "NotPrincipal", _) => words(value).into_iter().map(|name| format!("AWS {name}")).collect(),
        ("Condition", Value::Object(operators)) => operators
            .iter()
            .flat_map(|(operator, keys)| keys.as_object().into_iter().flatten().map(move |test| (operator, test)))
            .map(|(operator, (key, values))| format!("{operator} {} {:?}", key.to_lowercase(), words(values)))
            .collect(),
        ("Action" | "NotAction", _) => words(value).into_iter().map(|action| action.to_lowercase()).collect(),
        _ => words(value),
    }
}

/// One word or a list of them.
fn words(value: &Value) -> BTreeSet<String> {
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match value {
        Value::Array(values) => values.iter().map(word).collect(),
        value => BTreeSet::from([word(value)]),
    }
}

fn account(principal: &str) -> &str {
    let id = principal.split_once(":iam::").and_then(|(_, rest)| rest.strip_suffix(":root"));
    id.unwrap_or(principal)
}
