//! One process of the function: the real `bootstrap`, between a Runtime API and the services of its own.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use support::door::Certificate;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::services::{End, FUNCTION, PARAMETER, QUEUE, REGION, Seat, Services};

/// The binary to start, which may be another than the tests' own.
static BINARY: LazyLock<String> =
    LazyLock::new(|| std::env::var("STORM_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_bootstrap").to_owned()));

/// A file with one certificate: all servers here speak HTTP, and reading the machine's own takes longer than all else.
static CERTIFICATES: LazyLock<String> = LazyLock::new(|| {
    let path = format!("{}/storm.pem", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&path, Certificate::of("localhost").pem).unwrap();
    path
});

/// What became of an invocation.
#[derive(Debug)]
pub(crate) enum Answer {
    Response(Value),
    Error(Value),
    /// The process was ended in the middle.
    Killed,
    /// Lambda ended it at the deadline.
    TimedOut,
    /// It ended by itself, and said this.
    Crashed(String),
}

/// A started process. Its servers end with it.
pub(crate) struct Process {
    child: Child,
    inbox: Arc<Inbox>,
    invocations: mpsc::Sender<Invocation>,
    /// Where it sits at the services.
    pub(crate) seat: Arc<Seat>,
    log: Arc<Mutex<VecDeque<String>>>,
    _tasks: JoinSet<()>,
    number: usize,
}

/// What a process is to do.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) event: String,
    /// How long Lambda lets it.
    pub(crate) time: Duration,
    /// Whether the event is the creation of a repository.
    pub(crate) creation: bool,
    /// Where the process ends in the middle.
    pub(crate) end: Option<End>,
}

/// What a process holds of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holdings {
    /// Resident memory, in kB.
    pub(crate) memory: u64,
    /// Open file descriptors.
    pub(crate) descriptors: u64,
}

struct Invocation {
    id: String,
    event: String,
    deadline: SystemTime,
    answer: oneshot::Sender<Answer>,
}

struct Inbox {
    invocations: tokio::sync::Mutex<mpsc::Receiver<Invocation>>,
    waiting: Mutex<Option<(String, oneshot::Sender<Answer>)>>,
}

impl Process {
    pub(crate) async fn start(services: &Arc<Services>, environment: &[(&str, &str)]) -> Process {
        let mut tasks = JoinSet::new();
        let seat = Arc::new(Seat::default());
        let (sender, receiver) = mpsc::channel(1);
        let inbox = Arc::new(Inbox { invocations: tokio::sync::Mutex::new(receiver), waiting: Mutex::default() });

        let served = Arc::clone(&inbox);
        let runtime = listen(&mut tasks, move |stream, _| {
            let inbox = Arc::clone(&served);
            connection(stream, move |request| runtime(Arc::clone(&inbox), request))
        })
        .await;
        let (services, sitting) = (Arc::clone(services), Arc::clone(&seat));
        let aws = listen(&mut tasks, move |stream, number| {
            // What is closed half-way is reset on every other connection, and ended in order on the rest.
            if number % 2 == 0 {
                stream.set_zero_linger().unwrap();
            }
            let (services, seat) = (Arc::clone(&services), Arc::clone(&sitting));
            connection(stream, move |request| Arc::clone(&services).serve(Arc::clone(&seat), request))
        })
        .await;

        let mut child = Command::new(BINARY.as_str())
            .env_clear()
            .envs([
                ("AWS_LAMBDA_RUNTIME_API", runtime.to_string().as_str()),
                ("AWS_ENDPOINT_URL", format!("http://{aws}").as_str()),
                ("AWS_REGION", REGION),
                ("AWS_ACCESS_KEY_ID", "ASIAEXAMPLEEXAMPLE"),
                ("AWS_SECRET_ACCESS_KEY", "secret"),
                ("AWS_SESSION_TOKEN", "token"),
                ("AWS_LAMBDA_FUNCTION_NAME", "ecr-autopolicy"),
                ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
                ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
                ("POLICY_PARAMETER", PARAMETER),
                ("WORK_QUEUE_URL", QUEUE),
                ("SSL_CERT_FILE", CERTIFICATES.as_str()),
            ])
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = Arc::default();
        tasks.spawn(collect(child.stdout.take().unwrap(), Arc::clone(&log)));
        tasks.spawn(collect(child.stderr.take().unwrap(), Arc::clone(&log)));
        Process { child, inbox, invocations: sender, seat, log, _tasks: tasks, number: 0 }
    }

    /// Has it deal with an event within this time. Where that ends the process, another one has to be started.
    pub(crate) async fn invoke(&mut self, job: &Job) -> Answer {
        let Job { event, time, creation, end } = job;
        let (event, time) = (event.clone(), *time);
        self.number += 1;
        self.seat.begin(*creation, *end);
        let (answer, mut answered) = oneshot::channel();
        let id = format!("00000000-0000-4000-8000-{:012}", self.number);
        let invocation = Invocation { id, event, deadline: SystemTime::now() + time, answer };
        self.invocations.send(invocation).await.map_err(|_| "the server is gone").unwrap();
        tokio::select! {
            biased;
            answer = &mut answered => answer.unwrap(),
            status = self.child.wait() => Answer::Crashed(format!("{}\n{}", status.unwrap(), self.log())),
            () = self.seat.end.notified() => self.end(Answer::Killed).await,
            () = sleep(time) => self.end(Answer::TimedOut).await,
        }
    }

    async fn end(&mut self, answer: Answer) -> Answer {
        // Nobody is there any more to answer.
        drop(self.inbox.waiting.lock().unwrap().take());
        self.child.kill().await.unwrap();
        answer
    }

    /// The last that it wrote.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().iter().cloned().collect::<Vec<_>>().join("\n")
    }

    /// What the running process holds.
    pub(crate) fn holdings(&self) -> Holdings {
        let folder = format!("/proc/{}", self.child.id().unwrap());
        let status = std::fs::read_to_string(format!("{folder}/status")).unwrap();
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let memory = memory.trim().trim_end_matches(" kB").parse().unwrap();
        let descriptors = std::fs::read_dir(format!("{folder}/fd")).unwrap().count();
        Holdings { memory, descriptors: u64::try_from(descriptors).unwrap() }
    }
}

async fn collect(stream: impl AsyncRead + Unpin, log: Arc<Mutex<VecDeque<String>>>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut log = log.lock().unwrap();
        log.push_back(line);
        if log.len() > 50 {
            log.pop_front();
        }
    }
}

/// Serves connections to a free port of loopback as long as the tasks go on.
async fn listen<Served: Future<Output = ()> + Send + 'static>(
    tasks: &mut JoinSet<()>,
    serve: impl Fn(TcpStream, usize) -> Served + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        for number in 0.. {
            let Ok((stream, _)) = listener.accept().await else { break };
            connections.spawn(serve(stream, number));
            while connections.try_join_next().is_some() {}
        }
    });
    address
}

async fn connection<B, F>(stream: TcpStream, serve: impl Fn(Request<Incoming>) -> F)
where
    B: hyper::body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + 'static,
    F: Future<Output = Result<Response<B>, io::Error>>,
{
    // A fault that ends a connection ends it here, and so does a process that is gone.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(serve)).await;
}

async fn runtime(inbox: Arc<Inbox>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, io::Error> {
    let path = request.uri().path().to_owned();
    let call = path.strip_prefix("/2018-06-01/runtime/invocation/").unwrap_or_default();
    if call == "next" {
        let Some(invocation) = inbox.invocations.lock().await.recv().await else { return Ok(plain(500)) };
        let deadline = invocation.deadline.duration_since(UNIX_EPOCH).unwrap().as_millis();
        let response = Response::builder()
            .header("content-type", "application/json")
            .header("lambda-runtime-aws-request-id", &invocation.id)
            .header("lambda-runtime-deadline-ms", deadline.to_string())
            .header("lambda-runtime-invoked-function-arn", FUNCTION)
            .body(Full::from(invocation.event));
        *inbox.waiting.lock().unwrap() = Some((invocation.id, invocation.answer));
        return Ok(response.unwrap());
    }
    // A body that breaks off is one that nobody is left to answer.
    let body = request.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    let Some((id, what)) = call.split_once('/') else { return Ok(plain(404)) };
    let waiting = inbox.waiting.lock().unwrap().take_if(|(waiting, _)| waiting == id);
    let Some((_, answer)) = waiting else { return Ok(plain(400)) };
    let value = serde_json::from_slice(&body).unwrap_or_default();
    // It may have been too late.
    let _ = answer.send(if what == "response" { Answer::Response(value) } else { Answer::Error(value) });
    Ok(plain(202))
}

fn plain(status: u16) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::from("{}")).unwrap()
}
