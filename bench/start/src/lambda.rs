//! Lambda as a process sees it: the Runtime API on loopback, and the process itself in an environment like Lambda's.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fs::{self, File},
    path::Path,
    process::{Child, Command, Stdio},
    rc::Rc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail};
use http_body_util::Full;
use hyper::{
    Method, Response, StatusCode,
    body::Bytes,
    header::{CONTENT_TYPE, HeaderValue},
    http::request::Parts,
};
use tokio::{sync::Notify, task::JoinHandle, time::timeout};

use crate::http::{Service, serve};

const ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:ecr-autopolicy";
const TRACE: &str = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0";
const PATIENCE: Duration = Duration::from_secs(30);
const EVENT: &str = include_str!("../event.json");

/// The Runtime API of one process.
#[derive(Default)]
struct Runtime {
    /// The event that is to be handed out.
    event: RefCell<Option<String>>,
    arrived: Notify,
    /// Requests for an event that wait for one.
    waiting: Cell<usize>,
    /// When the last event was answered, or why not.
    answer: RefCell<Option<Result<Instant, String>>>,
    /// Something of the above has changed.
    changed: Notify,
}

/// A function's process.
pub(crate) struct Process {
    child: Child,
    runtime: Rc<Runtime>,
    server: JoinHandle<()>,
    spawned: Instant,
    log: std::path::PathBuf,
}

/// Of memory, in bytes.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub(crate) struct Memory {
    peak: u64,
    at_rest: u64,
}

impl Process {
    /// Starts the command. An event that is given waits for it already.
    pub(crate) async fn start(
        command: &[String],
        environment: &BTreeMap<String, String>,
        log: &Path,
        repository: Option<&str>,
    ) -> anyhow::Result<Self> {
        let runtime = Rc::new(Runtime::default());
        *runtime.event.borrow_mut() = repository.map(event);
        let (address, server) = serve(Rc::clone(&runtime), None).await?;
        let (program, arguments) = command.split_first().context("an empty command")?;
        let output = File::create(log).with_context(|| format!("cannot write `{}`", log.display()))?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(environment)
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let spawned = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start `{program}`"))?;
        Ok(Self { child, runtime, server, spawned, log: log.to_owned() })
    }

    /// How long it took from the start of the process to its first answer.
    pub(crate) async fn first_answer(&mut self) -> anyhow::Result<Duration> {
        let answered = self.answer().await?;
        Ok(answered - self.spawned)
    }

    /// Waits until the process asks for an event; then hands it one, and tells how long the answer took.
    pub(crate) async fn invoke(&mut self, repository: &str) -> anyhow::Result<Duration> {
        self.ready().await?;
        let start = Instant::now();
        *self.runtime.event.borrow_mut() = Some(event(repository));
        self.runtime.arrived.notify_one();
        Ok(self.answer().await? - start)
    }

    /// Waits until the process asks for an event.
    pub(crate) async fn ready(&mut self) -> anyhow::Result<()> {
        self.until(|runtime| (runtime.waiting.get() > 0).then_some(Ok(()))).await
    }

    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let field = |name: &str| -> Option<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
        };
        Ok(Memory {
            peak: field("VmHWM:").context("no VmHWM in /proc")?,
            at_rest: field("VmRSS:").context("no VmRSS in /proc")?,
        })
    }

    async fn answer(&mut self) -> anyhow::Result<Instant> {
        self.until(|runtime| runtime.answer.borrow_mut().take()).await
    }

    /// Waits for something of the Runtime API, as long as the process lives.
    async fn until<T>(&mut self, found: impl Fn(&Runtime) -> Option<Result<T, String>>) -> anyhow::Result<T> {
        let patience = Instant::now() + PATIENCE;
        loop {
            match found(&self.runtime) {
                Some(Ok(found)) => return Ok(found),
                Some(Err(error)) => bail!("the function failed with {error}\n{}", self.output()),
                None => {}
            }
            let changed = timeout(Duration::from_millis(200), self.runtime.changed.notified()).await;
            if changed.is_err() {
                if let Some(status) = self.child.try_wait()? {
                    bail!("the process ended with {status}\n{}", self.output());
                }
                if Instant::now() > patience {
                    bail!("the process does not go on\n{}", self.output());
                }
            }
        }
    }

    fn output(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.server.abort();
    }
}

impl Service for Runtime {
    async fn answer(&self, head: Parts, body: Bytes) -> Response<Full<Bytes>> {
        let path = head.uri.path();
        if head.method == Method::GET && path.ends_with("/runtime/invocation/next") {
            self.waiting.set(self.waiting.get() + 1);
            self.changed.notify_one();
            let event = loop {
                if let Some(event) = self.event.take() {
                    break event;
                }
                self.arrived.notified().await;
            };
            self.waiting.set(self.waiting.get() - 1);
            return next(event);
        }
        let result = if path.ends_with("/response") {
            Ok(Instant::now())
        } else {
            Err(String::from_utf8_lossy(&body).into_owned())
        };
        *self.answer.borrow_mut() = Some(result);
        self.changed.notify_one();
        respond(StatusCode::ACCEPTED, r#"{"status":"OK"}"#.to_owned())
    }
}

fn next(event: String) -> Response<Full<Bytes>> {
    let deadline = SystemTime::now() + Duration::from_secs(60);
    let deadline = deadline.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let mut response = respond(StatusCode::OK, event);
    let headers = response.headers_mut();
    headers.insert("lambda-runtime-aws-request-id", HeaderValue::from_static("8476a536-e9f4-11e8-9739-2dfe598c3fcd"));
    headers.insert("lambda-runtime-invoked-function-arn", HeaderValue::from_static(ARN));
    headers.insert("lambda-runtime-trace-id", HeaderValue::from_static(TRACE));
    if let Ok(deadline) = HeaderValue::from_str(&deadline.to_string()) {
        headers.insert("lambda-runtime-deadline-ms", deadline);
    }
    response
}

fn respond(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn event(repository: &str) -> String {
    EVENT.replace("NAME", repository)
}
