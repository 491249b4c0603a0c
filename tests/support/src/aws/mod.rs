//! ECR, SSM and SQS on loopback, in AWS JSON, with the manners that the real ones have: ECR answers
//! policies reformatted, each refuses what it refuses in its own words, and can be told to fail.
//!
//! For the tests of the function and those of the command line; each uses its own part of it.

mod ecr;
mod server;
mod sqs;
mod ssm;

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
use serde_json::{Value, json};

pub use ecr::{as_ecr_answers, strings};
pub use server::{SERVERS, listen};
pub use sqs::Message;
pub use ssm::Parameter;

/// The account that the function lives in.
pub const ACCOUNT: &str = "123456789012";
/// The Region that the function runs in.
pub const REGION: &str = "eu-west-1";
/// The configuration's name.
pub const PARAMETER: &str = "/ecr-autopolicy/configuration";
/// The queue that sweeps are spread over.
pub const WORK_QUEUE: &str = "https://sqs.eu-west-1.amazonaws.com/123456789012/ecr-autopolicy-work";
/// What ECR accepts as a policy, in characters.
pub const LIMIT: usize = 10_240;
/// The sentence with which this ECR refuses a policy that locks its caller out.
pub const LOCK_OUT: &str = "Invalid parameter at 'PolicyText' failed to satisfy constraint: \
     'The policy would prevent you from setting another policy in the future'";

/// The calls that these services know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// SSM.
    GetParameter,
    /// SSM.
    PutParameter,
    /// ECR.
    DescribeRepositories,
    /// ECR.
    GetRepositoryPolicy,
    /// ECR.
    SetRepositoryPolicy,
    /// ECR.
    DeleteRepositoryPolicy,
    /// ECR.
    ListTagsForResource,
    /// SQS.
    SendMessageBatch,
}

pub use Operation::{
    DeleteRepositoryPolicy, DescribeRepositories, GetParameter, GetRepositoryPolicy, ListTagsForResource, PutParameter,
    SendMessageBatch, SetRepositoryPolicy,
};

impl Operation {
    /// Those that the function calls.
    pub const ALL: [Operation; 7] = [
        GetParameter,
        DescribeRepositories,
        GetRepositoryPolicy,
        SetRepositoryPolicy,
        DeleteRepositoryPolicy,
        ListTagsForResource,
        SendMessageBatch,
    ];

    /// Every one of them, in the order in which they follow each other.
    pub const KNOWN: [Operation; 8] = [
        GetParameter,
        PutParameter,
        DescribeRepositories,
        GetRepositoryPolicy,
        ListTagsForResource,
        SetRepositoryPolicy,
        DeleteRepositoryPolicy,
        SendMessageBatch,
    ];

    /// What IAM must allow for it, `ecr:GetRepositoryPolicy`.
    pub fn action(self) -> String {
        match self {
            // A batch needs no more than each of its messages would.
            SendMessageBatch => "sqs:SendMessage".to_owned(),
            _ => format!("{}:{self:?}", self.service()),
        }
    }

    fn service(self) -> &'static str {
        match self {
            GetParameter | PutParameter => "ssm",
            SendMessageBatch => "sqs",
            _ => "ecr",
        }
    }

    fn named(target: &str) -> Option<Operation> {
        let (prefix, name) = target.split_once('.')?;
        Self::KNOWN.into_iter().find(|operation| {
            let expected = match operation.service() {
                "ssm" => "AmazonSSM",
                "sqs" => "AmazonSQS",
                _ => "AmazonEC2ContainerRegistry_V20150921",
            };
            expected == prefix && format!("{operation:?}") == name
        })
    }
}

/// What goes wrong with a call.
#[derive(Debug, Clone)]
pub enum Fault {
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
    /// The repository that this call names is deleted just before it.
    RepositoryVanishes,
    /// The policy is deleted just before this call.
    PolicyVanishes,
    /// Right after this call somebody else writes this policy, or deletes the one there is.
    Overwritten(Option<String>),
    /// Of a batch, only so many messages are taken.
    Partly(usize),
    /// The answer comes after so long.
    Late(Duration),
    /// The answer waits until a call of this operation is open, too.
    Meets(Operation),
    /// The call is dealt with at once, but its answer waits until the test releases it.
    Held,
}

/// How often something goes wrong.
#[derive(Debug, Clone, Copy)]
pub enum Often {
    /// The first call alone.
    Once,
    /// Every call.
    Always,
}

/// One call that came in.
#[derive(Debug, Clone)]
pub struct Call {
    /// Which.
    pub operation: Operation,
    /// Its request.
    pub body: Value,
    /// The access key that it was signed with.
    pub key: String,
    /// The Region that it was signed for.
    pub region: String,
    /// The number of events that the function had received by then; 0 while it starts.
    pub invocation: usize,
    /// The moment that it came in, on this server's own clock of comings and goings.
    pub opened: u64,
    /// The moment that its answer went out; none while it is open.
    pub closed: Option<u64>,
}

impl Call {
    /// Whether both were open at one time.
    pub fn overlaps(&self, other: &Call) -> bool {
        let ends = |call: &Call| call.closed.unwrap_or(u64::MAX);
        self.opened < ends(other) && other.opened < ends(self)
    }
}

#[derive(Debug, Clone, Default)]
struct Repository {
    policy: Option<String>,
    tags: Vec<(String, String)>,
}

/// Something that was ordered to go wrong.
#[derive(Debug)]
struct Order {
    operation: Operation,
    /// The one repository whose calls it is about.
    repository: Option<String>,
    fault: Fault,
    left: Option<usize>,
}

#[derive(Debug, Default)]
struct State {
    partition: String,
    account: String,
    region: String,
    repositories: BTreeMap<(String, String), Repository>,
    parameters: BTreeMap<String, Parameter>,
    messages: Option<Vec<Message>>,
    page: Option<usize>,
    strangers: BTreeSet<String>,
    faults: Vec<Order>,
    released: bool,
    calls: Vec<Call>,
    offences: Vec<String>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    clock: AtomicU64,
    connections: AtomicUsize,
    events: Arc<AtomicUsize>,
}

/// The services of one account, in every Region.
#[derive(Clone)]
pub struct Aws {
    shared: Arc<Shared>,
    address: SocketAddr,
}

impl Aws {
    /// Starts them, empty, for a function that lives in this account and Region.
    pub fn start(partition: &str, account: &str, region: &str) -> Aws {
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
                shared.connections.fetch_add(1, Ordering::SeqCst);
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
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The counter of events that dates the calls.
    pub fn events(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.shared.events)
    }

    /// Gives the parameter this value.
    pub fn set_parameter(&self, value: &str, secure: bool) {
        self.set_parameter_of(PARAMETER, Parameter::new(value, if secure { "SecureString" } else { "String" }));
    }

    /// Makes a parameter of this name.
    pub fn set_parameter_of(&self, name: &str, parameter: Parameter) {
        let characters = parameter.value.chars().count();
        assert!(characters <= 8_192, "SSM takes no value of {characters} characters");
        self.state().parameters.insert(name.to_owned(), parameter);
    }

    /// The parameter of this name.
    pub fn parameter_of(&self, name: &str) -> Option<Parameter> {
        self.state().parameters.get(name).cloned()
    }

    /// Deletes the parameter.
    pub fn delete_parameter(&self) {
        self.state().parameters.clear();
    }

    /// Makes a repository whose policy, where it has one, is answered as this very text.
    pub fn set_repository(&self, region: &str, name: &str, policy: Option<&str>) {
        let key = (region.to_owned(), name.to_owned());
        self.state().repositories.entry(key).or_default().policy = policy.map(str::to_owned);
    }

    /// Deletes a repository.
    pub fn delete_repository(&self, region: &str, name: &str) {
        self.state().repositories.remove(&(region.to_owned(), name.to_owned()));
    }

    /// Tags a repository.
    pub fn set_tags(&self, region: &str, name: &str, tags: &[(&str, &str)]) {
        let key = (region.to_owned(), name.to_owned());
        self.state().repositories.entry(key).or_default().tags =
            tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    }

    /// What ECR would answer as this repository's policy now.
    pub fn policy(&self, region: &str, name: &str) -> Option<String> {
        let key = (region.to_owned(), name.to_owned());
        self.state().repositories.get(&key)?.policy.clone()
    }

    /// Every repository's policy, by Region and name.
    pub fn policies(&self) -> BTreeMap<(String, String), Option<String>> {
        let policy = |(key, it): (&(String, String), &Repository)| (key.clone(), it.policy.clone());
        self.state().repositories.iter().map(policy).collect()
    }

    /// Makes the queue.
    pub fn set_queue(&self) {
        self.state().messages = Some(Vec::new());
    }

    /// Takes every message off the queue.
    pub fn take_messages(&self) -> Vec<Message> {
        self.state().messages.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Puts no more than so many repositories on a page of their list.
    pub fn set_page(&self, most: usize) {
        self.state().page = Some(most);
    }

    /// Makes a principal one that IAM does not know.
    pub fn set_stranger(&self, principal: &str) {
        self.state().strangers.insert(principal.to_owned());
    }

    /// Lets an operation fail.
    pub fn set_fault(&self, operation: Operation, fault: Fault, often: Often) {
        self.order(operation, None, fault, often);
    }

    /// Lets an operation fail for one repository.
    pub fn set_fault_of(&self, repository: &str, operation: Operation, fault: Fault, often: Often) {
        self.order(operation, Some(repository.to_owned()), fault, often);
    }

    fn order(&self, operation: Operation, repository: Option<String>, fault: Fault, often: Often) {
        let left = match often {
            Often::Once => Some(1),
            Often::Always => None,
        };
        self.state().faults.push(Order { operation, repository, fault, left });
    }

    /// Lets the answers go that are held, now and from now on.
    pub fn release(&self) {
        self.state().released = true;
    }

    /// Heals everything.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// Every call until now, in the order in which they came.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// What no caller of these services should do, and this one did.
    pub fn offences(&self) -> Vec<String> {
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
        return Ok(respond("ecr", Reply::Error(400, "UnknownOperationException", String::new())));
    };
    let body: Value = serde_json::from_slice(&text).unwrap_or_default();
    let service = operation.service();
    let invocation = shared.events.load(Ordering::SeqCst);
    let index = {
        let mut state = shared.state.lock().unwrap();
        if scope.get(3).map(String::as_str) != Some(service) {
            state.offences.push(format!("it signed {operation:?} as `{}`", scope.join("/")));
        }
        state.calls.push(Call {
            operation,
            body: body.clone(),
            key: scope.first().cloned().unwrap_or_default(),
            region: region.clone(),
            invocation,
            opened: shared.clock.fetch_add(1, Ordering::SeqCst),
            closed: None,
        });
        state.calls.len() - 1
    };

    let fault = shared.state.lock().unwrap().next_fault(operation, &body, invocation);
    match &fault {
        Some(Fault::Meets(other)) => wait_for(&shared, index, *other).await,
        Some(Fault::Late(time)) => tokio::time::sleep(*time).await,
        _ => {}
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
    if let Some(Fault::Held) = fault {
        while !shared.state.lock().unwrap().released {
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }
    match reply {
        Reply::Reset => Err(std::io::ErrorKind::ConnectionReset.into()),
        Reply::Silence => std::future::pending().await,
        reply => Ok(respond(service, reply)),
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

fn respond(service: &str, reply: Reply) -> Response<Full<Bytes>> {
    // SQS speaks the older AWS JSON, and names an error once more as it did in the query protocol.
    let json = if service == "sqs" { "application/x-amz-json-1.0" } else { "application/x-amz-json-1.1" };
    let mut response = Response::builder().header("x-amzn-requestid", "6c8f9f0e-5d3b-4a51-9f0c-0d0b8a9e1c11");
    let (status, kind, body) = match reply {
        Reply::Fine(body) => (200, json, body.to_string()),
        Reply::Error(status, code, message) => {
            let mut body = json!({ "__type": code });
            if !message.is_empty() {
                body["message"] = message.into();
            }
            if service == "sqs" {
                let fault = if status < 500 { "Sender" } else { "Receiver" };
                response = response.header("x-amzn-query-error", format!("{code};{fault}"));
                body["__type"] = format!("com.amazonaws.sqs#{code}").into();
            }
            (status, json, body.to_string())
        }
        Reply::Plain(status, text) => (status, "text/html", text.to_owned()),
        Reply::Reset | Reply::Silence => unreachable!("these are no answers"),
    };
    response.status(status).header("content-type", kind).body(Full::from(body)).unwrap()
}

impl State {
    /// The next fault that was ordered for this operation. A meeting is for two calls of one
    /// event, so it does not count while the function starts.
    fn next_fault(&mut self, operation: Operation, body: &Value, invocation: usize) -> Option<Fault> {
        let order = self.faults.iter_mut().find(|order| {
            order.operation == operation
                && order.left != Some(0)
                && order.repository.as_deref().is_none_or(|name| name == ecr::repository_name(body))
                && !(invocation == 0 && matches!(order.fault, Fault::Meets(_)))
        })?;
        if let Some(left) = &mut order.left {
            *left -= 1;
        }
        Some(order.fault.clone())
    }

    fn reply(&mut self, operation: Operation, region: &str, body: &Value, fault: Option<&Fault>) -> Reply {
        match fault {
            None | Some(Fault::Meets(_) | Fault::Held | Fault::Late(_) | Fault::Overwritten(_) | Fault::Partly(_)) => {}
            Some(Fault::Throttle) => {
                let code = match operation.service() {
                    "sqs" => "RequestThrottled",
                    _ => "ThrottlingException",
                };
                return Reply::Error(400, code, "Rate exceeded".to_owned());
            }
            Some(Fault::ServerError) => {
                let code = match operation.service() {
                    "ssm" => "InternalServerError",
                    "sqs" => "InternalFailure",
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
            Some(Fault::RepositoryVanishes) => {
                self.repositories.remove(&(region.to_owned(), ecr::repository_name(body)));
            }
            Some(Fault::PolicyVanishes) => {
                for repository in self.repositories.values_mut() {
                    repository.policy = None;
                }
            }
        }
        let reply = match operation {
            SendMessageBatch => {
                let taken = if let Some(Fault::Partly(taken)) = fault { Some(*taken) } else { None };
                self.send_messages(region, body, taken)
            }
            GetParameter => self.get_parameter(region, body),
            PutParameter => self.put_parameter(region, body),
            DescribeRepositories => self.describe_repositories(region, body),
            ListTagsForResource => self.list_tags(body),
            _ => self.repository_policy(operation, region, body),
        };
        if let (Some(Fault::Overwritten(policy)), Reply::Fine(_)) = (fault, &reply) {
            self.repositories.entry((region.to_owned(), ecr::repository_name(body))).or_default().policy =
                policy.clone();
        }
        reply
    }

    fn denied(&self, operation: Operation, region: &str, body: &Value) -> Reply {
        let resource = match operation {
            GetParameter | PutParameter => self.parameter_arn(body["Name"].as_str().unwrap_or("")),
            DescribeRepositories => format!("arn:{}:ecr:{region}:{}:repository/*", self.partition, self.account),
            ListTagsForResource => body["resourceArn"].as_str().unwrap_or("").to_owned(),
            SendMessageBatch => self.queue_arn(),
            _ => format!(
                "arn:{}:ecr:{region}:{}:repository/{}",
                self.partition,
                self.account,
                body["repositoryName"].as_str().unwrap_or("")
            ),
        };
        let action = match operation {
            // SQS writes its actions small here.
            SendMessageBatch => operation.action().to_lowercase(),
            _ => operation.action(),
        };
        let message = format!(
            "User: arn:{}:sts::{}:assumed-role/ecr-autopolicy/ecr-autopolicy is not authorized to \
             perform: {action} on resource: {resource} because no identity-based policy allows \
             the {action} action",
            self.partition, self.account
        );
        Reply::Error(400, "AccessDeniedException", message)
    }
}
