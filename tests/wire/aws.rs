//! ECR and SSM on loopback, in AWS JSON 1.1, with the manners that the real ones have: ECR answers
//! policies reformatted, refuses what it refuses in its own words, and can be told to fail.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};

use crate::runtime::{SERVERS, listen};

/// The account that the function lives in.
pub(crate) const ACCOUNT: &str = "123456789012";
/// The Region that the function runs in.
pub(crate) const REGION: &str = "eu-west-1";
/// The configuration's name.
pub(crate) const PARAMETER: &str = "/ecr-autopolicy/configuration";
/// What ECR accepts as a policy, in characters.
pub(crate) const LIMIT: usize = 10_240;
/// The sentence with which this ECR refuses a policy that locks its caller out.
pub(crate) const LOCK_OUT: &str = "Invalid parameter at 'PolicyText' failed to satisfy constraint: \
     'The policy would prevent you from setting another policy in the future'";

/// The calls that these services know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    /// SSM.
    GetParameter,
    /// ECR.
    GetRepositoryPolicy,
    /// ECR.
    SetRepositoryPolicy,
    /// ECR.
    DeleteRepositoryPolicy,
    /// ECR.
    ListTagsForResource,
}

pub(crate) use Operation::{
    DeleteRepositoryPolicy, GetParameter, GetRepositoryPolicy, ListTagsForResource, SetRepositoryPolicy,
};

impl Operation {
    /// Every one of them.
    pub(crate) const ALL: [Operation; 5] =
        [GetParameter, GetRepositoryPolicy, SetRepositoryPolicy, DeleteRepositoryPolicy, ListTagsForResource];

    /// The operation in the words of IAM, `ecr:GetRepositoryPolicy`.
    pub(crate) fn action(self) -> String {
        let service = if self == GetParameter { "ssm" } else { "ecr" };
        format!("{service}:{self:?}")
    }

    fn named(target: &str) -> Option<Operation> {
        let (prefix, name) = target.split_once('.')?;
        Self::ALL.into_iter().find(|operation| {
            let expected = match operation {
                GetParameter => "AmazonSSM",
                _ => "AmazonEC2ContainerRegistry_V20150921",
            };
            expected == prefix && format!("{operation:?}") == name
        })
    }
}

/// What goes wrong with a call.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// `ThrottlingException`, with status 400 as these services send it.
    Throttle,
    /// The service's own 500.
    ServerError,
    /// A 503 of a load balancer, which is no JSON.
    Unavailable,
    /// The connection is closed before an answer.
    Reset,
    /// No answer ever comes.
    Silence,
    /// IAM denies the call, in its usual words.
    Denied,
    /// Status 400 with this error and this message.
    Refused(&'static str, &'static str),
    /// The repository is deleted just before this call.
    RepositoryVanishes,
    /// The policy is deleted just before this call.
    PolicyVanishes,
    /// The answer waits until a call of this operation is open, too.
    Meets(Operation),
}

/// How often something goes wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Often {
    /// The first call alone.
    Once,
    /// Every call.
    Always,
}

/// One call that came in.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// Which.
    pub(crate) operation: Operation,
    /// Its request.
    pub(crate) body: Value,
    /// The Region that it was signed for.
    pub(crate) region: String,
    /// The number of events that the function had received by then; 0 while it starts.
    pub(crate) invocation: usize,
    /// The moment that it came in, on this server's own clock of comings and goings.
    pub(crate) opened: u64,
    /// The moment that its answer went out; none while it is open.
    pub(crate) closed: Option<u64>,
}

impl Call {
    /// Whether both were open at one time.
    pub(crate) fn overlaps(&self, other: &Call) -> bool {
        let ends = |call: &Call| call.closed.unwrap_or(u64::MAX);
        self.opened < ends(other) && other.opened < ends(self)
    }
}

#[derive(Debug, Clone, Default)]
struct Repository {
    policy: Option<String>,
    tags: Vec<(String, String)>,
}

#[derive(Debug, Clone)]
struct Parameter {
    value: String,
    secure: bool,
}

#[derive(Debug, Default)]
struct State {
    partition: String,
    account: String,
    region: String,
    repositories: BTreeMap<(String, String), Repository>,
    parameter: Option<Parameter>,
    strangers: BTreeSet<String>,
    faults: Vec<(Operation, Fault, Option<usize>)>,
    calls: Vec<Call>,
    offences: Vec<String>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    clock: AtomicU64,
    events: Arc<AtomicUsize>,
}

/// The services of one account, in every Region.
#[derive(Clone)]
pub(crate) struct Aws {
    shared: Arc<Shared>,
    address: SocketAddr,
}

impl Aws {
    /// Starts them, empty, for a function that lives in this account and Region.
    pub(crate) fn start(partition: &str, account: &str, region: &str) -> Aws {
        let (listener, address) = listen();
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                partition: partition.to_owned(),
                account: account.to_owned(),
                region: region.to_owned(),
                ..State::default()
            }),
            ..Shared::default()
        });
        let served = Arc::clone(&shared);
        SERVERS.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&served);
                tokio::spawn(async move {
                    let service = service_fn(move |request| serve(Arc::clone(&shared), request));
                    // A fault that closes the connection ends here, as does a killed process.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Aws { shared, address }
    }

    /// Where they listen.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The counter of events that dates the calls.
    pub(crate) fn events(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.shared.events)
    }

    /// Gives the parameter this value.
    pub(crate) fn set_parameter(&self, value: &str, secure: bool) {
        assert!(value.chars().count() <= 8_192, "SSM takes no value of {} characters", value.chars().count());
        self.state().parameter = Some(Parameter { value: value.to_owned(), secure });
    }

    /// Deletes the parameter.
    pub(crate) fn delete_parameter(&self) {
        self.state().parameter = None;
    }

    /// Makes a repository whose policy, where it has one, is answered as this very text.
    pub(crate) fn set_repository(&self, region: &str, name: &str, policy: Option<&str>) {
        let key = (region.to_owned(), name.to_owned());
        self.state().repositories.entry(key).or_default().policy = policy.map(str::to_owned);
    }

    /// Tags a repository.
    pub(crate) fn set_tags(&self, region: &str, name: &str, tags: &[(&str, &str)]) {
        let key = (region.to_owned(), name.to_owned());
        self.state().repositories.entry(key).or_default().tags =
            tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    }

    /// What ECR would answer as this repository's policy now.
    pub(crate) fn policy(&self, region: &str, name: &str) -> Option<String> {
        let key = (region.to_owned(), name.to_owned());
        self.state().repositories.get(&key)?.policy.clone()
    }

    /// Every repository's policy, by Region and name.
    pub(crate) fn policies(&self) -> BTreeMap<(String, String), Option<String>> {
        let policy = |(key, it): (&(String, String), &Repository)| (key.clone(), it.policy.clone());
        self.state().repositories.iter().map(policy).collect()
    }

    /// Makes a principal one that IAM does not know.
    pub(crate) fn set_stranger(&self, principal: &str) {
        self.state().strangers.insert(principal.to_owned());
    }

    /// Lets an operation fail.
    pub(crate) fn set_fault(&self, operation: Operation, fault: Fault, often: Often) {
        let left = match often {
            Often::Once => Some(1),
            Often::Always => None,
        };
        self.state().faults.push((operation, fault, left));
    }

    /// Heals everything.
    pub(crate) fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// Every call until now, in the order in which they came.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// What no caller of these services should do, and this one did.
    pub(crate) fn offences(&self) -> Vec<String> {
        self.state().offences.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }
}

/// What a call is answered with.
enum Reply {
    Fine(Value),
    Error(u16, &'static str, String),
    Plain(u16, &'static str),
    Reset,
    Silence,
}

async fn serve(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let header =
        |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
    let target = header("x-amz-target");
    let authorization = header("authorization");
    let text = request.into_body().collect().await.map_err(std::io::Error::other)?.to_bytes();
    let scope: Vec<String> = authorization
        .split_once("Credential=")
        .map(|(_, rest)| rest.split(',').next().unwrap_or("").split('/').map(str::to_owned).collect())
        .unwrap_or_default();
    let region = scope.get(2).cloned().unwrap_or_default();

    let Some(operation) = Operation::named(&target) else {
        let mut state = shared.state.lock().unwrap();
        state.offences.push(format!("it called `{target}`, which it has no business with"));
        return Ok(respond(Reply::Error(400, "UnknownOperationException", String::new())));
    };
    let body: Value = serde_json::from_slice(&text).unwrap_or_default();
    let service = if operation == GetParameter { "ssm" } else { "ecr" };
    let invocation = shared.events.load(Ordering::SeqCst);
    let index = {
        let mut state = shared.state.lock().unwrap();
        if scope.get(3).map(String::as_str) != Some(service) {
            state.offences.push(format!("it signed {operation:?} as `{}`", scope.join("/")));
        }
        state.calls.push(Call {
            operation,
            body: body.clone(),
            region: region.clone(),
            invocation,
            opened: shared.clock.fetch_add(1, Ordering::SeqCst),
            closed: None,
        });
        state.calls.len() - 1
    };

    let fault = shared.state.lock().unwrap().next_fault(operation, invocation);
    if let Some(Fault::Meets(other)) = fault {
        wait_for(&shared, index, other).await;
    }
    let reply = {
        let mut state = shared.state.lock().unwrap();
        let reply = state.reply(operation, &region, &body, fault.as_ref());
        if let Some(call) = state.calls.get_mut(index)
            && !matches!(reply, Reply::Silence)
        {
            call.closed = Some(shared.clock.fetch_add(1, Ordering::SeqCst));
        }
        reply
    };
    match reply {
        Reply::Reset => Err(std::io::ErrorKind::ConnectionReset.into()),
        Reply::Silence => std::future::pending().await,
        reply => Ok(respond(reply)),
    }
}

/// Waits until a call of `other` is open beside the call at `index`; gives up when a caller that
/// makes one call after the other would wait for ever.
async fn wait_for(shared: &Shared, index: usize, other: Operation) {
    for _ in 0..1_000 {
        {
            let state = shared.state.lock().unwrap();
            let mine = state.calls.get(index).cloned();
            if let Some(mine) = mine
                && state
                    .calls
                    .iter()
                    .any(|call| call.operation == other && call.invocation == mine.invocation && call.overlaps(&mine))
            {
                return;
            }
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

fn respond(reply: Reply) -> Response<Full<Bytes>> {
    let (status, kind, body) = match reply {
        Reply::Fine(body) => (200, "application/x-amz-json-1.1", body.to_string()),
        Reply::Error(status, code, message) => {
            let mut body = json!({ "__type": code });
            if !message.is_empty() {
                body["message"] = message.into();
            }
            (status, "application/x-amz-json-1.1", body.to_string())
        }
        Reply::Plain(status, text) => (status, "text/html", text.to_owned()),
        Reply::Reset | Reply::Silence => unreachable!("these are no answers"),
    };
    Response::builder()
        .status(status)
        .header("content-type", kind)
        .header("x-amzn-requestid", "6c8f9f0e-5d3b-4a51-9f0c-0d0b8a9e1c11")
        .body(Full::from(body))
        .unwrap()
}

impl State {
    /// The next fault that was ordered for this operation. A meeting is for two calls of one
    /// event, so it does not count while the function starts.
    fn next_fault(&mut self, operation: Operation, invocation: usize) -> Option<Fault> {
        let (_, fault, left) = self.faults.iter_mut().find(|(of, fault, left)| {
            *of == operation && *left != Some(0) && !(invocation == 0 && matches!(fault, Fault::Meets(_)))
        })?;
        if let Some(left) = left {
            *left -= 1;
        }
        Some(fault.clone())
    }

    fn reply(&mut self, operation: Operation, region: &str, body: &Value, fault: Option<&Fault>) -> Reply {
        match fault {
            None | Some(Fault::Meets(_)) => {}
            Some(Fault::Throttle) => {
                return Reply::Error(400, "ThrottlingException", "Rate exceeded".to_owned());
            }
            Some(Fault::ServerError) => {
                let code = match operation {
                    GetParameter => "InternalServerError",
                    _ => "ServerException",
                };
                return Reply::Error(500, code, "An internal error occurred.".to_owned());
            }
            Some(Fault::Unavailable) => {
                return Reply::Plain(503, "<html><body>Service Unavailable</body></html>");
            }
            Some(Fault::Reset) => return Reply::Reset,
            Some(Fault::Silence) => return Reply::Silence,
            Some(Fault::Denied) => return self.denied(operation, region, body),
            Some(Fault::Refused(code, message)) => {
                return Reply::Error(400, code, (*message).to_owned());
            }
            Some(Fault::RepositoryVanishes) => self.repositories.clear(),
            Some(Fault::PolicyVanishes) => {
                for repository in self.repositories.values_mut() {
                    repository.policy = None;
                }
            }
        }
        match operation {
            GetParameter => self.get_parameter(region, body),
            ListTagsForResource => self.list_tags(body),
            _ => self.repository_policy(operation, region, body),
        }
    }

    fn denied(&self, operation: Operation, region: &str, body: &Value) -> Reply {
        let resource = match operation {
            GetParameter => self.parameter_arn(),
            ListTagsForResource => body["resourceArn"].as_str().unwrap_or("").to_owned(),
            _ => format!(
                "arn:{}:ecr:{region}:{}:repository/{}",
                self.partition,
                self.account,
                body["repositoryName"].as_str().unwrap_or("")
            ),
        };
        let action = operation.action();
        let message = format!(
            "User: arn:{}:sts::{}:assumed-role/ecr-autopolicy/ecr-autopolicy is not authorized to \
             perform: {action} on resource: {resource} because no identity-based policy allows \
             the {action} action",
            self.partition, self.account
        );
        Reply::Error(400, "AccessDeniedException", message)
    }

    fn parameter_arn(&self) -> String {
        format!("arn:{}:ssm:{}:{}:parameter{PARAMETER}", self.partition, self.region, self.account)
    }

    fn get_parameter(&mut self, region: &str, body: &Value) -> Reply {
        let arn = self.parameter_arn();
        let name = body["Name"].as_str().unwrap_or("");
        let here = region == self.region && (name == PARAMETER || name == arn);
        // Of a parameter that it does not have SSM says nothing but the error's name.
        let Some(parameter) = self.parameter.as_ref().filter(|_| here) else {
            return Reply::Error(400, "ParameterNotFound", String::new());
        };
        let readable = !parameter.secure || body["WithDecryption"] == json!(true);
        let value = if readable { parameter.value.clone() } else { "AQICAHhQZ3J1cDEtY2lwaGVydGV4dA==".to_owned() };
        Reply::Fine(json!({ "Parameter": {
            "Name": PARAMETER,
            "Type": if parameter.secure { "SecureString" } else { "String" },
            "Value": value,
            "Version": 3,
            "LastModifiedDate": 1_763_700_000.123,
            "ARN": arn,
            "DataType": "text",
        }}))
    }

    fn list_tags(&mut self, body: &Value) -> Reply {
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

    fn repository_policy(&mut self, operation: Operation, region: &str, body: &Value) -> Reply {
        let name = body["repositoryName"].as_str().unwrap_or("").to_owned();
        if let Some(registry) = body.get("registryId")
            && *registry != json!(self.account)
        {
            self.offences.push(format!("it asked for the registry {registry}"));
        }
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
pub(crate) fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(string) => vec![string.clone()],
        Value::Array(values) => values.iter().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

/// A policy as ECR answers it: pretty-printed, a one-element array as a plain string, an account
/// id that is a principal as its root ARN.
pub(crate) fn as_ecr_answers(text: &str, partition: &str) -> String {
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
