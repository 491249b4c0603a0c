//! Lambda, as a process sees it: the Runtime API (2018-06-01) on loopback, and the process itself.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::sync::Notify;

pub(crate) use crate::aws::{SERVERS, listen};

/// How long a test waits for something that should have happened long ago.
const PATIENCE: Duration = Duration::from_secs(40);

/// What the function made of one event.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// What it posted to `/response`.
    Response(Value),
    /// What it posted to `/error`.
    Error(Failure),
}

/// An invocation that failed.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// `errorType`, one of the labels.
    pub(crate) kind: String,
    /// `errorMessage`.
    pub(crate) message: String,
    /// Whether it came only after the deadline, where Lambda had killed the process.
    pub(crate) late: bool,
}

impl Answer {
    /// The response of an invocation that should not have failed.
    #[track_caller]
    pub(crate) fn response(self) -> Value {
        match self {
            Answer::Response(response) => response,
            Answer::Error(failure) => panic!("the invocation failed: {failure:#?}"),
        }
    }

    /// The failure of an invocation that should have failed.
    #[track_caller]
    pub(crate) fn failure(self) -> Failure {
        match self {
            Answer::Error(failure) => failure,
            Answer::Response(response) => panic!("the invocation did not fail: {response:#}"),
        }
    }
}

/// What Lambda hands to `next`.
struct Invocation {
    id: String,
    event: String,
    arn: String,
    deadline: SystemTime,
}

#[derive(Default)]
struct Inbox {
    invocations: Mutex<VecDeque<Invocation>>,
    arrived: Notify,
    waiting: Mutex<BTreeMap<String, (SystemTime, mpsc::Sender<Answer>)>>,
    init_errors: Mutex<Vec<Value>>,
    asked: AtomicUsize,
    handed_out: Arc<AtomicUsize>,
}

/// What a line of metrics begins with.
const METRICS: &str = r#"{"_aws":"#;

/// A started `bootstrap` with the Runtime API that it talks to.
pub(crate) struct Process {
    child: Child,
    inbox: Arc<Inbox>,
    logs: Arc<Mutex<Vec<String>>>,
    readers: Vec<std::thread::JoinHandle<()>>,
    arn: String,
    sent: usize,
}

impl Process {
    /// Starts `bootstrap` with this environment and nothing of the test's own. `handed_out` counts
    /// the events that the function has received, for whoever wants to date something by it.
    pub(crate) fn start(environment: &BTreeMap<String, String>, arn: &str, handed_out: Arc<AtomicUsize>) -> Process {
        let (listener, address) = listen();
        let inbox = Arc::new(Inbox { handed_out, ..Inbox::default() });
        let served = Arc::clone(&inbox);
        SERVERS.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let inbox = Arc::clone(&served);
                tokio::spawn(async move {
                    let service = service_fn(move |request| serve(Arc::clone(&inbox), request));
                    // A process that is killed leaves its connection half-way.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });

        let mut child = Command::new(env!("CARGO_BIN_EXE_bootstrap"))
            .env_clear()
            .envs(environment)
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let logs = Arc::default();
        let readers = vec![collect(child.stdout.take().unwrap(), &logs), collect(child.stderr.take().unwrap(), &logs)];
        Process { child, inbox, logs, readers, arn: arn.to_owned(), sent: 0 }
    }

    /// Sends one event and waits for what the function makes of it before `time` is over.
    #[track_caller]
    pub(crate) fn invoke(&mut self, event: &str, time: Duration) -> Answer {
        self.sent += 1;
        let id = format!("00000000-0000-4000-8000-{:012}", self.sent);
        let deadline = SystemTime::now() + time;
        let (sender, receiver) = mpsc::channel();
        self.inbox.waiting.lock().unwrap().insert(id.clone(), (deadline, sender));
        self.inbox.invocations.lock().unwrap().push_back(Invocation {
            id,
            event: event.to_owned(),
            arn: self.arn.clone(),
            deadline,
        });
        self.inbox.arrived.notify_one();

        let mut patience = PATIENCE + time;
        let pause = Duration::from_millis(200);
        loop {
            match receiver.recv_timeout(pause) {
                Ok(answer) => return answer,
                Err(_) => patience = patience.saturating_sub(pause),
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the process ended with {status} instead of answering\n{}", self.logs());
            }
            assert!(!patience.is_zero(), "the function never answered\n{}", self.logs());
        }
    }

    /// Waits until the process has ended by itself.
    #[track_caller]
    pub(crate) fn wait_for_exit(&mut self) -> ExitStatus {
        let mut patience = PATIENCE;
        let pause = Duration::from_millis(10);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                for reader in self.readers.drain(..) {
                    reader.join().unwrap();
                }
                return status;
            }
            assert!(!patience.is_zero(), "the process goes on\n{}", self.logs());
            std::thread::sleep(pause);
            patience = patience.saturating_sub(pause);
        }
    }

    /// Whether the process has asked for an event, which means that it has started.
    pub(crate) fn has_started(&self) -> bool {
        self.inbox.asked.load(Ordering::SeqCst) > 0
    }

    /// Waits until the process has asked for an event.
    #[track_caller]
    pub(crate) fn wait_for_start(&mut self) {
        let mut patience = PATIENCE;
        let pause = Duration::from_millis(10);
        while !self.has_started() {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the process ended with {status} instead of starting\n{}", self.logs());
            }
            assert!(!patience.is_zero(), "the process never asked for an event\n{}", self.logs());
            std::thread::sleep(pause);
            patience = patience.saturating_sub(pause);
        }
    }

    /// What the function posted to `/init/error`.
    pub(crate) fn init_errors(&self) -> Vec<Value> {
        self.inbox.init_errors.lock().unwrap().clone()
    }

    /// Everything that it wrote to standard output and standard error until now, but for metrics.
    pub(crate) fn logs(&self) -> String {
        self.lines(|line| !line.starts_with(METRICS))
    }

    /// The metrics among it.
    pub(crate) fn metrics(&self) -> String {
        self.lines(|line| line.starts_with(METRICS))
    }

    fn lines(&self, are: impl Fn(&str) -> bool) -> String {
        let logs = self.logs.lock().unwrap();
        logs.iter().map(String::as_str).filter(|line| are(line)).collect::<Vec<_>>().join("\n")
    }

    /// Waits until a line of the log contains `text`. The log comes through a pipe of its own, so
    /// it may be behind the answer.
    #[track_caller]
    pub(crate) fn wait_for_log(&self, text: &str) {
        let mut patience = Duration::from_secs(10);
        let pause = Duration::from_millis(5);
        while !self.logs().contains(text) {
            assert!(!patience.is_zero(), "no `{text}` in the log:\n{}", self.logs());
            std::thread::sleep(pause);
            patience = patience.saturating_sub(pause);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(stream: impl Read + Send + 'static, logs: &Arc<Mutex<Vec<String>>>) -> std::thread::JoinHandle<()> {
    let logs = Arc::clone(logs);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            logs.lock().unwrap().push(line);
        }
    })
}

async fn serve(inbox: Arc<Inbox>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let Some(call) = path.strip_prefix("/2018-06-01/runtime/") else {
        return Ok(answer(404, "{}"));
    };
    if request.method() == Method::GET && call == "invocation/next" {
        return Ok(next(&inbox).await);
    }
    let kind_header = request
        .headers()
        .get("lambda-runtime-function-error-type")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    // A body that breaks off is one that nobody is left to answer.
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let value: Value =
        serde_json::from_slice(&body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
    if call == "init/error" {
        inbox.init_errors.lock().unwrap().push(value);
        return Ok(answer(202, r#"{"status":"OK"}"#));
    }
    let Some((id, what)) = call.strip_prefix("invocation/").and_then(|rest| rest.split_once('/')) else {
        return Ok(answer(404, "{}"));
    };
    let Some((deadline, waiting)) = inbox.waiting.lock().unwrap().remove(id) else {
        return Ok(answer(400, r#"{"errorType":"InvalidRequestID"}"#));
    };
    let result = match what {
        "response" => Answer::Response(value),
        _ => Answer::Error(Failure {
            kind: value["errorType"].as_str().or(kind_header.as_deref()).unwrap_or("").to_owned(),
            message: value["errorMessage"].as_str().unwrap_or("").to_owned(),
            late: SystemTime::now() > deadline,
        }),
    };
    // The test may have given up on this invocation.
    let _ = waiting.send(result);
    Ok(answer(202, r#"{"status":"OK"}"#))
}

async fn next(inbox: &Inbox) -> Response<Full<Bytes>> {
    inbox.asked.fetch_add(1, Ordering::SeqCst);
    let invocation = loop {
        let arrived = inbox.arrived.notified();
        if let Some(invocation) = inbox.invocations.lock().unwrap().pop_front() {
            break invocation;
        }
        arrived.await;
    };
    inbox.handed_out.fetch_add(1, Ordering::SeqCst);
    let deadline = invocation.deadline.duration_since(UNIX_EPOCH).unwrap().as_millis();
    Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", invocation.id)
        .header("lambda-runtime-deadline-ms", deadline.to_string())
        .header("lambda-runtime-invoked-function-arn", invocation.arn)
        .header("lambda-runtime-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1")
        .body(Full::from(invocation.event))
        .unwrap()
}

fn answer(status: u16, body: &'static str) -> Response<Full<Bytes>> {
    Response::builder().status(status).header("content-type", "application/json").body(Full::from(body)).unwrap()
}
