//! ECR on loopback, with what a sweep asks of SSM and STS: in memory, and as slow and as strict as it is told to be.
//!
//! `GET /stats` tells what was asked of it, `GET /verify` which repositories have not the policy that they should, and
//! `POST /reset` begins anew.

mod figures;
mod limit;
mod policy;
mod registry;

use std::{
    cell::RefCell,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use clap::Parser;
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime::Handle, task::LocalSet};

use crate::{
    figures::Figures,
    limit::{Kind, Limit},
    registry::{ACCOUNT, Input, Refusal, Registry},
};

const ECR: &str = "AmazonEC2ContainerRegistry_V20150921";
const SSM: &str = "AmazonSSM";

/// ECR on loopback, for measuring sweeps.
#[derive(Debug, Parser)]
struct Options {
    /// Where to listen; the address is printed.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The number of repositories.
    #[arg(long, default_value_t = 1_000)]
    repositories: usize,
    /// How many repositories in a hundred have the right policy already.
    #[arg(long, default_value_t = 30)]
    right: usize,
    /// How many repositories in a hundred have a statement that somebody else wrote.
    #[arg(long, default_value_t = 20)]
    foreign: usize,
    /// How long each call takes, in milliseconds.
    #[arg(long, default_value_t = 0)]
    delay: u64,
    /// The calls a second that ECR admits, over all its actions.
    #[arg(long)]
    limit: Option<u32>,
    /// How the limit counts.
    #[arg(long, value_enum, default_value_t = Kind::Bucket)]
    kind: Kind,
    /// The calls that a full bucket admits at once; left out, those of a second.
    #[arg(long)]
    burst: Option<u32>,
}

struct Server {
    options: Options,
    state: RefCell<State>,
}

struct State {
    registry: Registry,
    limit: Option<Limit>,
    figures: Figures,
}

/// One thread: a call costs it some microseconds, and what it leaves of the machine is the client's.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let listener = TcpListener::bind(options.listen).await?;
    let server = Rc::new(Server { state: RefCell::new(State::new(&options)), options });
    println!("http://{}", listener.local_addr()?);
    let accept = async move {
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let server = Rc::clone(&server);
            tokio::task::spawn_local(async move {
                let service = service_fn(|request| server.answer(request));
                // A client that goes away in the middle of a call is no failure of ours.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    };
    LocalSet::new().run_until(accept).await
}

impl State {
    fn new(options: &Options) -> Self {
        let registry = Registry::new(options.repositories, options.right, options.foreign);
        let now = Instant::now();
        let limit = options.limit.map(|rate| Limit::new(options.kind, rate, options.burst.unwrap_or(rate), now));
        Self { registry, limit, figures: Figures::default() }
    }

    fn perform(&mut self, action: &str, input: &Input) -> Result<Value, Refusal> {
        match action {
            "DescribeRepositories" => self.registry.describe(input),
            "GetRepositoryPolicy" => self.registry.policy(input),
            "SetRepositoryPolicy" => self.registry.set_policy(input),
            "DeleteRepositoryPolicy" => self.registry.delete_policy(input),
            "ListTagsForResource" => self.registry.tags(input),
            _ => Err(Refusal { kind: "UnknownOperationException", message: format!("no `{action}` here") }),
        }
    }
}

impl Server {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let target = head.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
        Ok(match (head.method, head.uri.path(), target.and_then(|target| target.split_once('.'))) {
            (Method::GET, "/stats", _) => json(StatusCode::OK, &json!(self.state.borrow().figures)),
            (Method::GET, "/verify", _) => {
                let state = self.state.borrow();
                let wrong = state.registry.wrong();
                let first: Vec<_> = wrong.iter().take(10).collect();
                json(StatusCode::OK, &json!({ "wrong": wrong.len(), "first": first }))
            }
            (Method::POST, "/reset", _) => {
                *self.state.borrow_mut() = State::new(&self.options);
                json(StatusCode::OK, &json!({}))
            }
            (_, _, Some((ECR, action))) => self.ecr(action, &body).await,
            (_, _, Some((SSM, "GetParameter"))) => {
                self.delay("ssm:GetParameter").await;
                let value = include_str!("../configuration.json");
                let parameter = json!({ "Name": "configuration", "Type": "String", "Version": 1, "Value": value });
                json(StatusCode::OK, &json!({ "Parameter": parameter }))
            }
            (_, _, None) if body.starts_with(b"Action=GetCallerIdentity") => {
                self.delay("sts:GetCallerIdentity").await;
                caller_identity()
            }
            (method, path, target) => {
                let message = format!("no {method} {path} {target:?} here");
                error(&Refusal { kind: "UnknownOperationException", message })
            }
        })
    }

    async fn ecr(&self, action: &str, body: &[u8]) -> Response<Full<Bytes>> {
        let admitted = {
            let state = &mut *self.state.borrow_mut();
            let now = Instant::now();
            let admitted = state.limit.as_mut().is_none_or(|limit| limit.admits(now));
            state.figures.begin(admitted, now, busy());
            state.figures.count(&format!("ecr:{action}"), admitted);
            admitted
        };
        let _open = Open(self);
        self.pause().await;
        if !admitted {
            return error(&Refusal { kind: "ThrottlingException", message: "Rate exceeded".to_owned() });
        }
        let input = serde_json::from_slice(body)
            .map_err(|error| Refusal { kind: "SerializationException", message: error.to_string() });
        match input.and_then(|input| self.state.borrow_mut().perform(action, &input)) {
            Ok(answer) => json(StatusCode::OK, &answer),
            Err(refusal) => error(&refusal),
        }
    }

    /// A call to another service than ECR: it takes its time, and has no limit.
    async fn delay(&self, action: &str) {
        self.state.borrow_mut().figures.count(action, true);
        self.pause().await;
    }

    async fn pause(&self) {
        if self.options.delay > 0 {
            tokio::time::sleep(Duration::from_millis(self.options.delay)).await;
        }
    }
}

/// A call of ECR until it is answered, or its client has gone.
struct Open<'a>(&'a Server);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.state.borrow_mut().figures.end(Instant::now(), busy());
    }
}

fn busy() -> Duration {
    Handle::current().metrics().worker_total_busy_duration(0)
}

fn json(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    respond(status, "application/x-amz-json-1.1", body.to_string())
}

fn error(refusal: &Refusal) -> Response<Full<Bytes>> {
    json(StatusCode::BAD_REQUEST, &json!({ "__type": refusal.kind, "message": refusal.message }))
}

fn caller_identity() -> Response<Full<Bytes>> {
    let body = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
         <Arn>arn:aws:iam::{ACCOUNT}:user/bench</Arn><UserId>AIDABENCH</UserId><Account>{ACCOUNT}</Account>\
         </GetCallerIdentityResult><ResponseMetadata><RequestId>bench</RequestId></ResponseMetadata>\
         </GetCallerIdentityResponse>"
    );
    respond(StatusCode::OK, "text/xml", body)
}

fn respond(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
