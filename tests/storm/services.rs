//! ECR, SSM and SQS on loopback, with a memory of who read and wrote what, in foul weather.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::{Request, Response};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::deliveries::Deliveries;
use crate::dice::Dice;
use crate::events::{Caller, policy_changed};
use crate::figures::Figures;
use crate::model::{Rules, Told, meanings, opted_out, policy, told_apart};

pub(crate) const ACCOUNT: &str = "123456789012";
pub(crate) const REGION: &str = "eu-west-1";
pub(crate) const PARAMETER: &str = "/ecr-autopolicy/configuration";
pub(crate) const FUNCTION: &str = "arn:aws:lambda:eu-west-1:123456789012:function:ecr-autopolicy";
pub(crate) const QUEUE: &str = "https://sqs.eu-west-1.amazonaws.com/123456789012/work";
/// What EventBridge's target waits before somebody's change of a policy reaches the function, in seconds.
pub(crate) const REPAIR_DELAY: u64 = 30;

/// What stands where a principal was that is deleted.
const DELETED: &str = "AIDAEXAMPLEEXAMPLEXYZ";

pub(crate) type Tags = Vec<(String, String)>;
pub(crate) type Body = BoxBody<Bytes, io::Error>;

/// A repository.
#[derive(Debug, Clone, Default)]
pub(crate) struct Repository {
    pub(crate) tags: Tags,
    pub(crate) policy: Option<Value>,
    /// What the last stranger left of statements that are not ours.
    pub(crate) foreign: Vec<Value>,
    /// Whether the function's role may not write its policy.
    pub(crate) denied: bool,
    /// How often the function wrote or deleted its policy.
    pub(crate) writes: usize,
    /// Whether a stranger was there.
    pub(crate) visited: bool,
}

impl Repository {
    pub(crate) fn new(tags: Tags) -> Repository {
        Repository { tags, ..Repository::default() }
    }

    /// The same with a policy of these statements.
    pub(crate) fn with(self, managed: Vec<Value>, foreign: Vec<Value>) -> Repository {
        let policy = policy(foreign.iter().cloned().chain(managed).collect());
        Repository { policy, foreign, ..self }
    }
}

/// What a stranger does to a policy.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stranger {
    /// Writes statements of their own and no others.
    Replaces,
    /// Puts a statement of their own beside ours.
    Adds,
    /// Deletes the policy.
    Deletes,
    /// Opens our statements to every action, and leaves one that looks like an old one of ours.
    Tampers,
    /// Names a principal who is deleted soon.
    NamesSomebodyDeleted,
}

impl Stranger {
    pub(crate) fn any(random: &mut fastrand::Rng) -> Stranger {
        *random.choice(&[Stranger::Replaces, Stranger::Adds, Stranger::Deletes, Stranger::Tampers]).unwrap()
    }
}

/// Somebody who writes their own statements in place of all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rival {
    /// That often, at once after each of the function's writes.
    AtOnce(usize),
    /// That often, when they hear of the function's write, after that many milliseconds.
    Later(usize, u64),
    /// Once for each repository, after the function's first read, and no event tells of it.
    AfterTheRead,
    /// Once for each repository, after the function's first write, and no event tells of it.
    AfterTheWrite,
}

/// How much goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    /// Nothing does.
    Fine,
    /// A little, and nobody else writes.
    Breeze,
    /// Much, and strangers write meanwhile.
    Storm,
}

/// What ECR takes: that many calls a second, and that many at once after a rest.
#[derive(Debug)]
struct Limit {
    per_second: f64,
    burst: f64,
    tokens: f64,
    last: Instant,
}

impl Limit {
    fn takes(&mut self) -> bool {
        let now = Instant::now();
        let earned = now.duration_since(self.last).as_secs_f64() * self.per_second;
        self.last = now;
        self.tokens = (self.tokens + earned).min(self.burst);
        let taken = self.tokens >= 1.0;
        self.tokens -= if taken { 1.0 } else { 0.0 };
        taken
    }
}

/// One process of the function as the services see it, in one invocation.
#[derive(Default)]
pub(crate) struct Seat {
    invocation: Mutex<Invocation>,
    /// Told when it is to end.
    pub(crate) end: Notify,
}

/// The end of a process: at which of its calls, and whether the service still does what was asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    pub(crate) at: usize,
    pub(crate) after: bool,
}

#[derive(Default)]
struct Invocation {
    reads: HashMap<String, Vec<Read>>,
    calls: usize,
    lists: usize,
    end: Option<End>,
    creation: bool,
}

impl Seat {
    /// Another invocation begins, for a creation or for something else.
    pub(crate) fn begin(&self, creation: bool, end: Option<End>) {
        *self.invocation() = Invocation { creation, end, ..Invocation::default() };
    }

    fn invocation(&self) -> MutexGuard<'_, Invocation> {
        self.invocation.lock().unwrap()
    }
}

/// What a process saw of a policy.
#[derive(Debug, Clone)]
struct Read {
    right: bool,
    foreign: Vec<String>,
}

struct State {
    repositories: BTreeMap<String, Repository>,
    rules: Rules,
    strangers: u64,
    offences: Vec<String>,
    /// How many calls ECR took that were not for a creation.
    swept: usize,
    /// How many of them it had taken when the creation's event came.
    came: HashMap<String, usize>,
    /// How many of them it took between each creation's event and its policy.
    between: Vec<usize>,
}

/// The services of one account and Region.
pub(crate) struct Services {
    state: Mutex<State>,
    weather: Mutex<Weather>,
    rival: Mutex<Option<Rival>>,
    limit: Mutex<Option<Limit>>,
    /// Repositories on a page of their list, and the milliseconds that it takes.
    page: AtomicUsize,
    page_time: AtomicU64,
    /// How many lists cannot be gone on with.
    forgetful: AtomicUsize,
    dice: Arc<Dice>,
    figures: Arc<Figures>,
    deliveries: Arc<Deliveries>,
}

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Throttle,
    /// The service's own 500, before or after it did what was asked.
    Error {
        after: bool,
    },
    /// A load balancer's 503, which is no JSON.
    Unavailable,
    /// The connection ends without an answer, before or after the service did what was asked.
    Reset {
        after: bool,
    },
    /// The connection ends within the answer.
    Cut,
    /// Half of the answer comes as if it were all of it.
    Half,
    Slow(Duration),
    /// No answer ever comes.
    Silence,
    /// The process ends, before or after the service did what was asked.
    End {
        after: bool,
    },
}

/// An answer.
enum Reply {
    Fine(Value),
    Error(u16, &'static str, String),
}

impl Services {
    pub(crate) fn new(rules: Rules, dice: Arc<Dice>, figures: Arc<Figures>, deliveries: Arc<Deliveries>) -> Services {
        let state = State {
            repositories: BTreeMap::new(),
            rules,
            strangers: 0,
            offences: Vec::new(),
            swept: 0,
            came: HashMap::new(),
            between: Vec::new(),
        };
        Services {
            state: Mutex::new(state),
            weather: Mutex::new(Weather::Fine),
            rival: Mutex::default(),
            limit: Mutex::default(),
            page: AtomicUsize::new(1_000),
            page_time: AtomicU64::new(0),
            forgetful: AtomicUsize::new(0),
            dice,
            figures,
            deliveries,
        }
    }

    pub(crate) fn set_weather(&self, weather: Weather) {
        *self.weather.lock().unwrap() = weather;
    }

    pub(crate) fn weather(&self) -> Weather {
        *self.weather.lock().unwrap()
    }

    fn storms(&self) -> bool {
        self.weather() == Weather::Storm
    }

    pub(crate) fn set_rival(&self, rival: Rival) {
        *self.rival.lock().unwrap() = Some(rival);
    }

    /// ECR takes no more than that many calls a second.
    pub(crate) fn set_limit(&self, per_second: f64, burst: f64) {
        *self.limit.lock().unwrap() = Some(Limit { per_second, burst, tokens: burst, last: Instant::now() });
    }

    /// The list of repositories comes in pages of that many, each after that many milliseconds.
    pub(crate) fn set_pages(&self, number: usize, milliseconds: u64) {
        self.page.store(number, Ordering::SeqCst);
        self.page_time.store(milliseconds, Ordering::SeqCst);
    }

    /// ECR forgets where a list was to go on, that often.
    pub(crate) fn set_forgetful(&self, times: usize) {
        self.forgetful.store(times, Ordering::SeqCst);
    }

    /// For each new repository that got its policy, how many calls ECR took meanwhile that were not for a creation.
    pub(crate) fn between(&self) -> Vec<usize> {
        self.state().between.clone()
    }

    /// How many calls ECR took that were not for a creation.
    pub(crate) fn swept(&self) -> usize {
        self.state().swept
    }

    pub(crate) fn put(&self, name: &str, repository: Repository) {
        self.state().repositories.insert(name.to_owned(), repository);
    }

    /// The event of a new repository is there.
    pub(crate) fn come(&self, name: &str) {
        let mut state = self.state();
        let swept = state.swept;
        state.came.insert(name.to_owned(), swept);
    }

    /// The function may not write this repository's policy.
    pub(crate) fn deny(&self, name: &str) {
        self.state().repositories.get_mut(name).unwrap().denied = true;
    }

    pub(crate) fn delete(&self, name: &str) {
        self.state().repositories.remove(name);
    }

    pub(crate) fn repositories(&self) -> BTreeMap<String, Repository> {
        self.state().repositories.clone()
    }

    /// The parameter gets another value.
    pub(crate) fn set_rules(&self, rules: Rules) {
        self.state().rules = rules;
    }

    /// A stranger changes a policy, and the event of that is sent.
    pub(crate) fn visit(&self, name: &str, stranger: Stranger) {
        let event = self.state().visit(name, stranger);
        self.tell(event);
    }

    /// What made ECR refuse a policy is put right by those who can.
    pub(crate) fn heal(&self) {
        self.set_weather(Weather::Fine);
        let events: Vec<_> = {
            let mut state = self.state();
            let names: Vec<String> = state.repositories.keys().cloned().collect();
            names.iter().filter_map(|name| state.heal(name)).collect()
        };
        for event in events {
            self.tell(Some(event));
        }
    }

    fn tell(&self, event: Option<Value>) {
        if let Some(event) = event {
            self.figures.count("strangers wrote");
            self.deliveries.send(&event.to_string(), REPAIR_DELAY);
        }
    }

    /// What the function should not have done, and did.
    pub(crate) fn offences(&self) -> Vec<String> {
        self.state().offences.clone()
    }

    /// The repositories whose policy is not what it should be, and why.
    pub(crate) fn wrong(&self) -> BTreeMap<String, String> {
        let state = self.state();
        let wrong = |(name, repository): (&String, &Repository)| {
            let told = told_apart(repository.policy.as_ref());
            let ours = state.rules.hold_in(repository.policy.as_ref(), name, &repository.tags);
            let theirs = meanings(&told.foreign) == meanings(&repository.foreign);
            let why = format!("ours are right: {ours}, theirs: {theirs}, of {repository:?}");
            (!ours || !theirs).then(|| (name.clone(), why))
        };
        state.repositories.iter().filter_map(wrong).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// What goes wrong with this call.
    fn fault(&self, call: &str) -> Option<Fault> {
        let weather = self.weather();
        let range = match weather {
            Weather::Fine => return None,
            Weather::Storm => 0..10_000,
            // Without throttles, which would slow it down, and without silence, which would end a process.
            Weather::Breeze => 1_000..250_000,
        };
        let mut random = self.dice.throw(call);
        let after = random.bool();
        let (name, fault) = match random.u32(range) {
            0..1_000 => ("throttle", Fault::Throttle),
            1_000..1_200 => ("500", Fault::Error { after }),
            1_200..1_300 => ("503", Fault::Unavailable),
            1_300..1_400 => ("reset", Fault::Reset { after }),
            1_400..1_450 => ("cut", Fault::Cut),
            1_450..1_500 => ("half", Fault::Half),
            1_500..1_700 => ("slow", Fault::Slow(Duration::from_millis(random.u64(5..100)))),
            1_700..1_703 if weather == Weather::Storm => ("silence", Fault::Silence),
            _ => return None,
        };
        self.figures.count(&format!("faults {name}"));
        Some(fault)
    }

    /// One call of a process.
    pub(crate) async fn serve(
        self: Arc<Self>,
        seat: Arc<Seat>,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, io::Error> {
        let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok());
        let operation = target.and_then(|target| target.split_once('.')).map_or("", |(_, name)| name).to_owned();
        let body = request.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        self.figures.count(&format!("calls {operation}"));

        let (number, end) = {
            let mut invocation = seat.invocation();
            invocation.calls += 1;
            (invocation.calls, invocation.end)
        };
        let about = ["repositoryName", "resourceArn", "Name", "QueueUrl"];
        let about = about.iter().find_map(|name| body[name].as_str()).unwrap_or_default();
        let mut fault = self.fault(&format!("{operation} {about}"));
        if let Some(end) = end.filter(|end| end.at == number) {
            fault = Some(Fault::End { after: end.after });
        }
        if operation == "DescribeRepositories" {
            tokio::time::sleep(Duration::from_millis(self.page_time.load(Ordering::SeqCst))).await;
        }
        let of_ecr = !matches!(operation.as_str(), "GetParameter" | "SendMessageBatch");
        if of_ecr && self.limit.lock().unwrap().as_mut().is_some_and(|limit| !limit.takes()) {
            self.figures.count("limit refused");
            fault = Some(Fault::Throttle);
        }
        match fault {
            Some(Fault::Throttle) => {
                return Ok(respond(Reply::Error(400, "ThrottlingException", "Rate exceeded".to_owned())));
            }
            Some(Fault::Error { after: false }) => return Ok(internal_error(&operation)),
            Some(Fault::Unavailable) => {
                let page = Full::from("<html><body>Service Unavailable</body></html>");
                return Ok(Response::builder().status(503).body(boxed(page)).unwrap());
            }
            Some(Fault::Reset { after: false }) => return Err(io::ErrorKind::ConnectionReset.into()),
            Some(Fault::Silence) => std::future::pending().await,
            Some(Fault::End { after: false }) => {
                seat.end.notify_one();
                std::future::pending().await
            }
            Some(Fault::Slow(time)) => tokio::time::sleep(time).await,
            _ => {}
        }
        let reply = self.act(&operation, &body, &seat);
        match fault {
            Some(Fault::Error { after: true }) => Ok(internal_error(&operation)),
            Some(Fault::Reset { after: true }) => Err(io::ErrorKind::ConnectionReset.into()),
            Some(Fault::End { after: true }) => {
                seat.end.notify_one();
                std::future::pending().await
            }
            Some(Fault::Cut) => Ok(cut(reply)),
            Some(Fault::Half) => Ok(half(reply)),
            _ => Ok(respond(reply)),
        }
    }

    fn act(self: &Arc<Self>, operation: &str, body: &Value, seat: &Seat) -> Reply {
        let name = body["repositoryName"].as_str().unwrap_or_default();
        self.figures.count(&format!("taken {operation}"));
        let (reply, event) = {
            let mut state = self.state();
            if !matches!(operation, "GetParameter" | "SendMessageBatch") && !seat.invocation().creation {
                state.swept += 1;
            }
            let reply = match operation {
                "GetParameter" => Reply::Fine(json!({ "Parameter": {
                    "Name": PARAMETER, "Type": "String", "Value": state.rules.configuration().to_string(), "Version": 3
                }})),
                "DescribeRepositories" => self.list(body, &state, seat),
                "ListTagsForResource" => state.tags(body),
                "GetRepositoryPolicy" => state.get(name, seat),
                "SetRepositoryPolicy" | "DeleteRepositoryPolicy" => {
                    let written = state.write(name, operation, body, seat, &self.figures);
                    if matches!(written, Reply::Fine(_)) && self.storms() && self.dice.falls("told of itself", 0.05) {
                        // The rule does not let these through; nothing may depend on that.
                        let policy = state.repositories[name].policy.as_ref();
                        let event = policy_changed("its own", Caller::Function, name, policy);
                        self.deliveries.send(&event.to_string(), REPAIR_DELAY);
                    }
                    written
                }
                "SendMessageBatch" => self.send(body, &mut state),
                other => {
                    state.offences.push(format!("it called `{other}`"));
                    Reply::Error(400, "UnknownOperationException", String::new())
                }
            };
            // Somebody writes at once, between the function's read and its write, or before it reads again.
            let meanwhile =
                operation.ends_with("RepositoryPolicy") && self.storms() && self.dice.falls("meanwhile", 0.004);
            let event = meanwhile.then(|| {
                let stranger = Stranger::any(&mut self.dice.throw(name));
                state.visit(name, stranger)
            });
            (reply, event.flatten())
        };
        self.tell(event);
        if matches!(reply, Reply::Fine(_)) {
            self.meet_rival(operation, name);
        }
        reply
    }

    fn meet_rival(self: &Arc<Self>, operation: &str, name: &str) {
        let mut rival = self.rival.lock().unwrap();
        let read = operation == "GetRepositoryPolicy";
        let wrote = operation == "SetRepositoryPolicy";
        let writes = self.state().repositories.get(name).map(|repository| (repository.writes, repository.visited));
        match &mut *rival {
            Some(Rival::AtOnce(times)) if wrote && *times > 0 => {
                *times -= 1;
                self.visit(name, Stranger::Replaces);
            }
            Some(Rival::Later(times, time)) if wrote && *times > 0 => {
                *times -= 1;
                let (services, name, time) = (Arc::clone(self), name.to_owned(), Duration::from_millis(*time));
                self.deliveries.expect();
                tokio::spawn(async move {
                    tokio::time::sleep(time).await;
                    services.visit(&name, Stranger::Replaces);
                    services.deliveries.come();
                });
            }
            Some(Rival::AfterTheRead) if read && writes == Some((0, false)) => {
                self.state().visit(name, Stranger::Replaces);
            }
            Some(Rival::AfterTheWrite) if wrote && writes == Some((1, false)) => {
                self.state().visit(name, Stranger::Replaces);
            }
            _ => {}
        }
    }

    /// A page of the list.
    fn list(&self, body: &Value, state: &State, seat: &Seat) -> Reply {
        let after = body["nextToken"].as_str();
        let goes_on = {
            let mut invocation = seat.invocation();
            invocation.lists += 1;
            after.is_some() && invocation.lists == 1
        };
        if goes_on {
            self.figures.count("list continued");
            let left = |left: usize| left.checked_sub(1);
            if self.forgetful.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_ok() {
                self.figures.count("list forgotten");
                let message = "Invalid parameter at 'nextToken' failed to satisfy constraint: 'Invalid token provided'";
                return Reply::Error(400, "InvalidParameterException", message.to_owned());
            }
        }
        let most = self.page.load(Ordering::SeqCst);
        let mut names = state.repositories.keys().filter(|name| after.is_none_or(|after| name.as_str() > after));
        let page: Vec<&String> = names.by_ref().take(most).collect();
        let next = page.last().filter(|_| names.next().is_some());
        let repositories = page.iter().map(|name| json!({ "repositoryName": name, "registryId": ACCOUNT }));
        Reply::Fine(json!({ "repositories": repositories.collect::<Vec<_>>(), "nextToken": next }))
    }

    fn send(&self, body: &Value, state: &mut State) -> Reply {
        let entries = body["Entries"].as_array().cloned().unwrap_or_default();
        let size: usize = entries.iter().filter_map(|entry| entry["MessageBody"].as_str()).map(str::len).sum();
        let ids: std::collections::BTreeSet<&str> = entries.iter().filter_map(|entry| entry["Id"].as_str()).collect();
        if body["QueueUrl"] != QUEUE
            || !(1..=10).contains(&entries.len())
            || size > 262_144
            || ids.len() < entries.len()
        {
            state.offences.push(format!(
                "it sent {} messages of {size} characters to {}",
                entries.len(),
                body["QueueUrl"]
            ));
        }
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for entry in &entries {
            let text = entry["MessageBody"].as_str().unwrap_or_default();
            if self.storms() && self.dice.falls("entry", 0.01) {
                self.figures.count("faults message-refused");
                failed.push(json!({
                    "Id": entry["Id"], "SenderFault": false, "Code": "InternalError", "Message": "try again"
                }));
            } else {
                self.deliveries.send(text, entry["DelaySeconds"].as_u64().unwrap_or_default());
                successful.push(json!({ "Id": entry["Id"], "MessageId": "5fea7756-0ea4-451a-a703-a558b933e274" }));
            }
        }
        Reply::Fine(json!({ "Successful": successful, "Failed": failed }))
    }
}

impl State {
    fn visit(&mut self, name: &str, stranger: Stranger) -> Option<Value> {
        self.strangers += 1;
        let number = self.strangers;
        let repository = self.repositories.get_mut(name)?;
        let Told { mut managed, mut foreign } = Told::of(repository);
        let theirs = |principal: &str| {
            json!({
                "Sid": format!("Theirs{number}"), "Effect": "Allow", "Principal": { "AWS": principal },
                "Action": ["ecr:DescribeImages", "ecr:ListImages"]
            })
        };
        match stranger {
            Stranger::Replaces => (managed, foreign) = (Vec::new(), vec![theirs("arn:aws:iam::888899990000:root")]),
            Stranger::Adds => foreign.push(theirs("arn:aws:iam::888899990000:role/reader")),
            Stranger::Deletes => (managed, foreign) = (Vec::new(), Vec::new()),
            Stranger::Tampers => {
                for statement in &mut managed {
                    statement["Action"] = json!("ecr:*");
                }
                let mut old = theirs("arn:aws:iam::888899990000:root");
                old["Sid"] = json!(format!("AutoPolicyOld{number}"));
                managed.push(old);
            }
            Stranger::NamesSomebodyDeleted => foreign = vec![theirs(DELETED)],
        }
        repository.visited = true;
        repository.foreign.clone_from(&foreign);
        repository.policy = policy(foreign.into_iter().chain(managed).collect());
        let id = format!("change-{number}");
        Some(policy_changed(&id, Caller::Ada, name, repository.policy.as_ref()))
    }

    fn heal(&mut self, name: &str) -> Option<Value> {
        let repository = self.repositories.get_mut(name)?;
        repository.denied = false;
        let broken = repository.foreign.iter().any(|statement| statement["Principal"]["AWS"] == DELETED);
        if broken { self.visit(name, Stranger::Replaces) } else { None }
    }

    fn tags(&self, body: &Value) -> Reply {
        let arn = body["resourceArn"].as_str().unwrap_or_default();
        let name = arn.split_once(":repository/").map_or("", |(_, name)| name);
        let Some(repository) = self.repositories.get(name) else { return no_repository(name) };
        let tags: Vec<Value> =
            repository.tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
        Reply::Fine(json!({ "tags": tags }))
    }

    fn get(&self, name: &str, seat: &Seat) -> Reply {
        let Some(repository) = self.repositories.get(name) else { return no_repository(name) };
        let right = self.rules.hold_in(repository.policy.as_ref(), name, &repository.tags);
        let read = Read { right, foreign: meanings(&told_apart(repository.policy.as_ref()).foreign) };
        seat.invocation().reads.entry(name.to_owned()).or_default().push(read);
        match &repository.policy {
            Some(policy) => Reply::Fine(json!({
                "registryId": ACCOUNT, "repositoryName": name, "policyText": as_ecr_answers(policy)
            })),
            None => no_policy(name),
        }
    }

    /// The function writes or deletes a policy.
    fn write(&mut self, name: &str, operation: &str, body: &Value, seat: &Seat, figures: &Figures) -> Reply {
        let Some(repository) = self.repositories.get_mut(name) else { return no_repository(name) };
        if repository.denied {
            let message = format!(
                "User: arn:aws:sts::{ACCOUNT}:assumed-role/ecr-autopolicy/ecr-autopolicy is not authorized to perform: \
                 ecr:{operation} on resource: arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{name} with an explicit deny"
            );
            return Reply::Error(400, "AccessDeniedException", message);
        }
        let written = match operation {
            "SetRepositoryPolicy" => {
                let text = body["policyText"].as_str().unwrap_or_default();
                if body["force"] == json!(true) || text.chars().count() > 10_240 {
                    self.offences.push(format!("it wrote {text} to {name}"));
                }
                if text.contains(DELETED) {
                    let message =
                        "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Principal not found'";
                    return Reply::Error(400, "InvalidParameterException", message.to_owned());
                }
                Some(as_ecr_keeps(serde_json::from_str(text).unwrap()))
            }
            _ if repository.policy.is_none() => return no_policy(name),
            _ => None,
        };
        let reads = seat.invocation().reads.get(name).cloned().unwrap_or_default();
        let told = told_apart(written.as_ref());
        let stale = !self.rules.hold_in(written.as_ref(), name, &repository.tags);
        if stale {
            figures.count("writes by-an-old-value");
        } else if reads.iter().all(|read| read.right) {
            self.offences.push(format!("it wrote to {name}, whose policy was right when it read it: {reads:?}"));
        }
        if opted_out(&repository.tags) {
            self.offences.push(format!("it wrote to {name}, which is to be left alone"));
        }
        let foreign = meanings(&told.foreign);
        if !reads.iter().any(|read| read.foreign == foreign) {
            self.offences.push(format!("it changed others' statements in {name}: {written:?}, having read {reads:?}"));
        } else if foreign != meanings(&repository.foreign) {
            // ECR has no conditional write: what came between a read and a write is lost.
            figures.count("strangers lost-between-read-and-write");
            repository.foreign = told.foreign;
        }
        repository.policy = written;
        repository.writes += 1;
        figures.count("writes done");
        if let Some(came) = self.came.remove(name) {
            self.between.push(self.swept - came);
        }
        Reply::Fine(json!({ "registryId": ACCOUNT, "repositoryName": name, "policyText": body["policyText"] }))
    }
}

impl Told {
    fn of(repository: &Repository) -> Told {
        told_apart(repository.policy.as_ref())
    }
}

fn no_repository(name: &str) -> Reply {
    let message = format!("The repository with name '{name}' does not exist in the registry with id '{ACCOUNT}'");
    Reply::Error(400, "RepositoryNotFoundException", message)
}

fn no_policy(name: &str) -> Reply {
    let message = format!(
        "Repository policy does not exist for the repository with name '{name}' in the registry with id '{ACCOUNT}'"
    );
    Reply::Error(400, "RepositoryPolicyNotFoundException", message)
}

/// With an account that is a principal as its root's ARN.
fn as_ecr_keeps(mut policy: Value) -> Value {
    for statement in policy["Statement"].as_array_mut().into_iter().flatten() {
        let Some(principals) = statement.pointer_mut("/Principal/AWS") else { continue };
        let single = std::slice::from_mut(principals);
        let principals = match single {
            [Value::Array(principals)] => principals,
            single => single,
        };
        for principal in principals {
            if let Some(id) = principal.as_str().filter(|principal| principal.bytes().all(|byte| byte.is_ascii_digit()))
            {
                *principal = format!("arn:aws:iam::{id}:root").into();
            }
        }
    }
    policy
}

/// Pretty-printed, and a list of one string as that string.
fn as_ecr_answers(policy: &Value) -> String {
    fn unwrapped(value: &Value) -> Value {
        match value {
            Value::Array(values) if values.len() == 1 && values[0].is_string() => values[0].clone(),
            Value::Array(values) => values.iter().map(unwrapped).collect(),
            Value::Object(members) => members.iter().map(|(key, value)| (key.clone(), unwrapped(value))).collect(),
            other => other.clone(),
        }
    }
    format!("{:#}", unwrapped(policy))
}

fn internal_error(operation: &str) -> Response<Body> {
    let code = if operation == "GetParameter" { "InternalServerError" } else { "ServerException" };
    respond(Reply::Error(500, code, "An internal error occurred.".to_owned()))
}

fn text(reply: Reply) -> (u16, String) {
    match reply {
        Reply::Fine(body) => (200, body.to_string()),
        Reply::Error(status, code, message) => (status, json!({ "__type": code, "message": message }).to_string()),
    }
}

fn respond(reply: Reply) -> Response<Body> {
    let (status, text) = text(reply);
    answer(status, boxed(Full::from(text)))
}

fn half(reply: Reply) -> Response<Body> {
    let (status, mut text) = text(reply);
    text.truncate(text.len() / 2);
    answer(status, boxed(Full::from(text)))
}

fn cut(reply: Reply) -> Response<Body> {
    let (status, mut text) = text(reply);
    let whole = text.len();
    text.truncate(whole / 2);
    let end = io::Error::from(io::ErrorKind::ConnectionReset);
    let frames = stream::iter([Ok(Frame::data(Bytes::from(text))), Err(end)]);
    let mut response = answer(status, BodyExt::boxed(StreamBody::new(frames)));
    response.headers_mut().insert("content-length", whole.into());
    response
}

fn answer(status: u16, body: Body) -> Response<Body> {
    let builder = Response::builder().status(status).header("content-type", "application/x-amz-json-1.1");
    builder.header("x-amzn-requestid", "6c8f9f0e-5d3b-4a51-9f0c-0d0b8a9e1c11").body(body).unwrap()
}

fn boxed(body: Full<Bytes>) -> Body {
    body.map_err(|never: Infallible| match never {}).boxed()
}
