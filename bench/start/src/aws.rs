//! SSM and ECR on loopback: one parameter, and the policies of as many repositories as are asked for.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    body::Bytes,
    header::{CONTENT_TYPE, HeaderValue},
    http::request::Parts,
};
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;

use crate::{
    http::{Service, serve},
    policy::{as_ecr_answers, statements},
};

const ACCOUNT: &str = "123456789012";
const PREFIX: &str = "AutoPolicy";
const PARAMETER: &str = include_str!("../parameter.json");
const FOREIGN: &str = include_str!("../foreign.json");

/// What a repository holds before it is brought in line; its name begins with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// No policy.
    New,
    /// A statement of somebody else.
    Foreign,
    /// What it should, in ECR's words.
    Right,
}

/// One call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) action: String,
    start: Instant,
    /// None while it is not answered.
    end: Option<Instant>,
}

/// SSM and ECR.
#[derive(Default)]
pub(crate) struct Aws {
    policies: RefCell<HashMap<String, String>>,
    calls: RefCell<Vec<Call>>,
    connections: Cell<usize>,
    delay: Cell<Duration>,
}

/// One of the two services, at an address of its own, as in AWS.
struct Endpoint {
    aws: Rc<Aws>,
    ecr: bool,
}

/// Where the two are.
#[derive(Clone, Debug)]
pub(crate) struct Urls {
    pub(crate) ssm: String,
    pub(crate) ecr: String,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Foreign => "foreign",
            Self::Right => "right",
        }
    }
}

impl Aws {
    pub(crate) async fn serve(self: &Rc<Self>, tls: Option<&TlsAcceptor>) -> anyhow::Result<Urls> {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let mut urls = Vec::new();
        for ecr in [false, true] {
            let (address, _) = serve(Rc::new(Endpoint { aws: Rc::clone(self), ecr }), tls.cloned()).await?;
            urls.push(format!("{scheme}://{address}"));
        }
        let ecr = urls.pop().context("no ECR")?;
        Ok(Urls { ssm: urls.pop().context("no SSM")?, ecr })
    }

    /// How long each call takes from now on.
    pub(crate) fn set_delay(&self, delay: Duration) {
        self.delay.set(delay);
    }

    /// The calls and the number of connections since this was last asked.
    pub(crate) fn take(&self) -> (Vec<Call>, usize) {
        (self.calls.take(), self.connections.take())
    }

    /// Calls that are not answered yet.
    pub(crate) fn open(&self) -> usize {
        self.calls.borrow().iter().filter(|call| call.end.is_none()).count()
    }

    /// An error where the repository does not hold what it should.
    pub(crate) fn verify(&self, name: &str) -> anyhow::Result<()> {
        let found = self.policy(name).unwrap_or_default();
        let foreign = if kind(name) == Kind::Foreign { vec![serde_json::from_str(FOREIGN)?] } else { Vec::new() };
        let wanted = format!(r#"{{"Statement":{}}}"#, json!([foreign, desired()].concat()));
        let by_sid = |text: &str| {
            let mut statements = statements(text);
            statements.sort_by_key(|statement| statement["Sid"].to_string());
            statements
        };
        let plain = found.replace("arn:aws:iam::444455556666:root", "444455556666");
        if by_sid(&plain) != by_sid(&wanted) {
            bail!("`{name}` has the policy {found}, and should have {wanted}");
        }
        Ok(())
    }

    fn policy(&self, name: &str) -> Option<String> {
        let initial = match kind(name) {
            Kind::New => None,
            Kind::Foreign => as_ecr_answers(&format!(r#"{{"Version":"2012-10-17","Statement":[{FOREIGN}]}}"#)),
            Kind::Right => {
                let document = json!({ "Version": "2012-10-17", "Statement": desired() }).to_string();
                as_ecr_answers(&document.replace("444455556666", "arn:aws:iam::444455556666:root"))
            }
        };
        self.policies.borrow().get(name).cloned().or(initial)
    }

    fn perform(&self, action: &str, input: &Value) -> Result<Value, (&'static str, String)> {
        let name = input["repositoryName"].as_str().unwrap_or_default();
        match action {
            "AmazonSSM.GetParameter" => Ok(json!({ "Parameter": {
                "ARN": "arn:aws:ssm:eu-west-1:123456789012:parameter/ecr-autopolicy/configuration",
                "DataType": "text", "LastModifiedDate": 1_795_000_000.0, "Name": input["Name"], "Type": "String",
                "Value": PARAMETER, "Version": 1
            }})),
            "AmazonEC2ContainerRegistry_V20150921.GetRepositoryPolicy" => match self.policy(name) {
                Some(text) => Ok(json!({ "registryId": ACCOUNT, "repositoryName": name, "policyText": text })),
                None => Err((
                    "RepositoryPolicyNotFoundException",
                    format!(
                        "Repository policy does not exist for the repository with name '{name}' in the registry with id \
                         '{ACCOUNT}'"
                    ),
                )),
            },
            "AmazonEC2ContainerRegistry_V20150921.SetRepositoryPolicy" => {
                let sent = input["policyText"].as_str().unwrap_or_default();
                let text = as_ecr_answers(sent).ok_or_else(|| {
                    let message = "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository \
                                   policy provided'";
                    ("InvalidParameterException", message.to_owned())
                })?;
                self.policies.borrow_mut().insert(name.to_owned(), text.clone());
                Ok(json!({ "registryId": ACCOUNT, "repositoryName": name, "policyText": text }))
            }
            _ => Err(("UnknownOperationException", format!("no `{action}` here"))),
        }
    }
}

impl Service for Endpoint {
    fn connected(&self) {
        self.aws.connections.set(self.aws.connections.get() + 1);
    }

    async fn answer(&self, head: Parts, body: Bytes) -> Response<Full<Bytes>> {
        let target = head.headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or("");
        let action = match target.rsplit_once('.') {
            Some((_, action)) => action.to_owned(),
            None => format!("{} {}", head.method, head.uri.path()),
        };
        let call = Call { action, start: Instant::now(), end: None };
        let start = call.start;
        self.aws.calls.borrow_mut().push(call);
        let delay = self.aws.delay.get();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let expected = if self.ecr { "AmazonEC2ContainerRegistry_V20150921." } else { "AmazonSSM." };
        let input = serde_json::from_slice(&body).unwrap_or_default();
        let (status, answer) = match self.aws.perform(target, &input) {
            Ok(answer) if target.starts_with(expected) => (StatusCode::OK, answer),
            Ok(_) => {
                (StatusCode::BAD_REQUEST, json!({ "__type": "UnknownOperationException", "message": "elsewhere" }))
            }
            Err((kind, message)) => (StatusCode::BAD_REQUEST, json!({ "__type": kind, "message": message })),
        };
        // Whoever took the calls in the meantime does not want the rest of this one.
        if let Some(call) = self.aws.calls.borrow_mut().iter_mut().find(|call| call.start == start) {
            call.end = Some(Instant::now());
        }
        let mut response = Response::new(Full::from(answer.to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
        headers.insert("x-amzn-requestid", HeaderValue::from_static("6c8f9f0e-5d3b-4a51-9f0c-0d0b8a9e1c11"));
        response
    }
}

/// How many of the calls came one after the other: the most of them that do not overlap.
pub(crate) fn sequential(calls: &[Call]) -> usize {
    let mut spans: Vec<_> = calls.iter().filter_map(|call| Some((call.end?, call.start))).collect();
    spans.sort();
    let mut last = None;
    let mut count = 0;
    for (end, start) in spans {
        if last.is_none_or(|last| start >= last) {
            last = Some(end);
            count += 1;
        }
    }
    count
}

fn kind(name: &str) -> Kind {
    match name.split('/').next() {
        Some("foreign") => Kind::Foreign,
        Some("right") => Kind::Right,
        _ => Kind::New,
    }
}

/// The parameter's statements, under our ids.
fn desired() -> Vec<Value> {
    let mut statements = statements(PARAMETER);
    for statement in &mut statements {
        statement["Sid"] = format!("{PREFIX}{}", statement["Sid"].as_str().unwrap_or_default()).into();
    }
    statements
}
