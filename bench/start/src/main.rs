//! `measure-start PLAN RESULT` measures functions for Lambda beside each other, against SSM and ECR on loopback.
//!
//! Both files are JSON: the plan says which processes, and how often; the result has every single figure.

mod aws;
mod certificates;
mod http;
mod lambda;
#[path = "../../src/policy.rs"]
mod policy;

use std::{
    cell::RefCell,
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::{task::LocalSet, time::sleep};

use crate::{
    aws::{Aws, Kind, Urls, sequential},
    lambda::Process,
};

/// How long a process is left alone before it gets an event after its start: everything that it began has ended then.
const SETTLE: Duration = Duration::from_millis(200);
/// A warm process has done this many events before they are counted.
const WARM_UP: usize = 100;
/// How many events of one process follow each other before it is another's turn.
const BLOCK: usize = 50;

#[derive(Deserialize)]
struct Plan {
    colds: usize,
    warms: usize,
    /// Where certificates and logs are written.
    scratch: PathBuf,
    backends: Vec<Backend>,
    /// How long a call takes where round trips are counted, in milliseconds.
    delay: u64,
    subjects: Vec<Subject>,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Backend {
    Plain,
    Tls,
}

impl Backend {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tls => "tls",
        }
    }
}

#[derive(Deserialize)]
struct Subject {
    key: String,
    command: Vec<String>,
    environment: BTreeMap<String, String>,
    /// The variables that name the file of certificates to trust.
    certificates: Vec<String>,
    /// What it trusts in Lambda, beside which it is to trust the authority of the services here.
    roots: Option<PathBuf>,
    /// It answers, and does nothing.
    #[serde(default)]
    idle: bool,
}

/// A subject with a backend.
struct Bench<'a> {
    subject: &'a Subject,
    aws: Rc<Aws>,
    environment: BTreeMap<String, String>,
    log: PathBuf,
    figures: RefCell<Map<String, Value>>,
    events: RefCell<usize>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let files: Vec<_> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [plan, result] = files.as_slice() else { bail!("measure-start PLAN RESULT") };
    let text = fs::read(plan).with_context(|| format!("cannot read `{}`", plan.display()))?;
    let measured = LocalSet::new().run_until(measure(&serde_json::from_slice(&text)?)).await?;
    Ok(fs::write(result, measured.to_string())?)
}

async fn measure(plan: &Plan) -> anyhow::Result<Value> {
    let bundle = plan.scratch.join("authorities.pem");
    let acceptor = certificates::acceptor(&bundle)?;
    let mut benches = Vec::new();
    for backend in &plan.backends {
        let tls = *backend == Backend::Tls;
        let aws = Rc::new(Aws::default());
        let urls = aws.serve(tls.then_some(&acceptor)).await?;
        let subjects =
            plan.subjects.iter().map(|subject| Bench::new(subject, &aws, &urls, tls.then_some(&bundle), plan));
        benches.push((*backend, subjects.collect::<anyhow::Result<Vec<_>>>()?));
    }
    for (backend, benches) in &benches {
        eprintln!("{} cold starts over {}", plan.colds, backend.name());
        // What comes first finds the processor asleep, or its caches full of another's program. So each is the first as often
        // as the others, and of two starts in a turn the second counts.
        for round in 0..plan.colds {
            for bench in rotated(benches, round) {
                bench.cold().await?;
                bench.note("cold", bench.cold().await?.as_secs_f64());
            }
        }
        for round in 0..plan.colds {
            for bench in rotated(benches, round) {
                bench.after_init().await?;
            }
        }
        eprintln!("{} warm events over {}", plan.warms, backend.name());
        warm(benches, plan.warms).await?;
        eprintln!("round trips over {}", backend.name());
        for bench in benches {
            bench.round_trips(Duration::from_millis(plan.delay)).await?;
        }
    }
    Ok(benches
        .into_iter()
        .map(|(backend, benches)| {
            let figures: Map<_, _> = benches
                .into_iter()
                .map(|bench| (bench.subject.key.clone(), Value::Object(bench.figures.into_inner())))
                .collect();
            (backend.name().to_owned(), Value::Object(figures))
        })
        .collect::<Map<_, _>>()
        .into())
}

fn rotated<T>(all: &[T], by: usize) -> impl Iterator<Item = &T> {
    let (before, after) = all.split_at(by % all.len().max(1));
    after.iter().chain(before)
}

/// In turn, all of them alive: those that it is not the turn of wait for an event, and take no time.
async fn warm(benches: &[Bench<'_>], events: usize) -> anyhow::Result<()> {
    let mut processes = Vec::new();
    for bench in benches {
        let mut process = bench.start(None).await?;
        for _ in 0..WARM_UP {
            bench.event(&mut process).await?;
        }
        processes.push(process);
    }
    for block in 0..events.div_ceil(BLOCK) {
        for (bench, process) in benches.iter().zip(&mut processes) {
            for _ in 0..BLOCK.min(events - block * BLOCK) {
                bench.note("warm", bench.event(process).await?.as_secs_f64());
            }
        }
    }
    for (bench, process) in benches.iter().zip(&processes) {
        bench.note("memory", json!(process.memory()?));
    }
    Ok(())
}

impl<'a> Bench<'a> {
    fn new(
        subject: &'a Subject,
        aws: &Rc<Aws>,
        urls: &Urls,
        bundle: Option<&PathBuf>,
        plan: &Plan,
    ) -> anyhow::Result<Self> {
        let mut environment = subject.environment.clone();
        environment.insert("AWS_ENDPOINT_URL_SSM".to_owned(), urls.ssm.clone());
        environment.insert("AWS_ENDPOINT_URL_ECR".to_owned(), urls.ecr.clone());
        if let Some(bundle) = bundle {
            let trusted = plan.scratch.join(format!("{}.pem", subject.key));
            let roots = subject.roots.as_ref().map(fs::read).transpose()?.unwrap_or_default();
            fs::write(&trusted, [roots, fs::read(bundle)?].concat())?;
            for variable in &subject.certificates {
                environment.insert(variable.clone(), trusted.display().to_string());
            }
        }
        let log = plan.scratch.join(format!("{}.log", subject.key));
        let (aws, figures, events) = (Rc::clone(aws), RefCell::default(), RefCell::default());
        Ok(Self { subject, aws, environment, log, figures, events })
    }

    async fn start(&self, repository: Option<&str>) -> anyhow::Result<Process> {
        let log: &Path = &self.log;
        Process::start(&self.subject.command, &self.environment, log, repository).await.with_context(|| self.name())
    }

    /// From the start of the process to the answer to its first event, which waits already.
    async fn cold(&self) -> anyhow::Result<Duration> {
        let repository = self.repository(Kind::New);
        let mut process = self.start(Some(&repository)).await?;
        let took = process.first_answer().await.with_context(|| self.name())?;
        self.verify(&repository)?;
        Ok(took)
    }

    /// The first event of a process that has had all the time that it wants before.
    async fn after_init(&self) -> anyhow::Result<()> {
        let repository = self.repository(Kind::New);
        self.aws.take();
        let mut process = self.start(None).await?;
        process.ready().await.with_context(|| self.name())?;
        sleep(SETTLE).await;
        let open = self.aws.open();
        let (before, connections_before) = self.aws.take();
        let took = process.invoke(&repository).await.with_context(|| self.name())?;
        self.verify(&repository)?;
        let (_, connections_after) = self.aws.take();
        self.note("after_init", took.as_secs_f64());
        self.note(
            "around_init",
            json!({
                "calls_before": actions(&before), "connections_before": connections_before, "open": open,
                "connections_after": connections_after,
            }),
        );
        Ok(())
    }

    /// How many calls of an event come one after the other: each takes its time.
    async fn round_trips(&self, delay: Duration) -> anyhow::Result<()> {
        self.aws.set_delay(delay);
        let mut environment = self.environment.clone();
        environment.insert("POLICY_CACHE_SECONDS".to_owned(), "0".to_owned());
        self.round_trips_of(&environment, &[("unkept", Kind::New)]).await?;
        let kept = [("first", Kind::New), ("next", Kind::New), ("merged", Kind::Foreign)];
        self.round_trips_of(&self.environment, &kept).await?;
        self.aws.set_delay(Duration::ZERO);
        Ok(())
    }

    async fn round_trips_of(
        &self,
        environment: &BTreeMap<String, String>,
        events: &[(&str, Kind)],
    ) -> anyhow::Result<()> {
        let mut process =
            Process::start(&self.subject.command, environment, &self.log, None).await.with_context(|| self.name())?;
        process.ready().await.with_context(|| self.name())?;
        sleep(SETTLE).await;
        for (name, kind) in events {
            let repository = self.repository(*kind);
            self.aws.take();
            process.invoke(&repository).await.with_context(|| self.name())?;
            self.verify(&repository)?;
            let (calls, _) = self.aws.take();
            self.note(
                "round_trips",
                json!({ "event": name, "calls": actions(&calls), "sequential": sequential(&calls) }),
            );
        }
        Ok(())
    }

    /// An event of a warm process: eight in ten are new repositories, one has a foreign statement, one is right already.
    async fn event(&self, process: &mut Process) -> anyhow::Result<Duration> {
        let number = *self.events.borrow();
        let kind = match number % 10 {
            3 => Kind::Foreign,
            7 => Kind::Right,
            _ => Kind::New,
        };
        let repository = self.repository(kind);
        self.aws.take();
        let took = process.invoke(&repository).await.with_context(|| self.name())?;
        self.verify(&repository)?;
        let (calls, _) = self.aws.take();
        if kind == Kind::Right && actions(&calls).contains(&"SetRepositoryPolicy") {
            bail!("`{}` writes a policy that is right already", self.subject.key);
        }
        Ok(took)
    }

    /// A new repository.
    fn repository(&self, kind: Kind) -> String {
        let mut events = self.events.borrow_mut();
        *events += 1;
        // As long as names are.
        format!("{}/{}/service-{events:06}", kind.name(), self.subject.key)
    }

    fn verify(&self, repository: &str) -> anyhow::Result<()> {
        if self.subject.idle { Ok(()) } else { self.aws.verify(repository).with_context(|| self.name()) }
    }

    fn note(&self, figure: &str, value: impl Into<Value>) {
        let mut figures = self.figures.borrow_mut();
        if let Value::Array(values) = figures.entry(figure).or_insert_with(|| json!([])) {
            values.push(value.into());
        }
    }

    fn name(&self) -> String {
        format!("`{}` failed", self.subject.key)
    }
}

fn actions(calls: &[aws::Call]) -> Vec<&str> {
    calls.iter().map(|call| call.action.as_str()).collect()
}
