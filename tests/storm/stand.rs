//! Lambda and all that is around the function: several processes at once, what waits for them, and what strangers do
//! meanwhile.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::deliveries::{self, Deliveries, Event, Message, record};
use crate::dice::Dice;
use crate::events::{created, created_by_ecr, parameter_changed};
use crate::figures::Figures;
use crate::model::Rules;
use crate::process::{Answer, Holdings, Job, Process};
use crate::services::{End, Repository, Services, Stranger, Tags, Weather};

/// What happens while the function works.
#[derive(Debug)]
pub(crate) enum Deed {
    /// Somebody creates a repository.
    Create(String, Tags),
    /// Somebody deletes a repository.
    Delete(String),
    /// Somebody changes a policy.
    Visit(String, Stranger),
    /// The configuration changes.
    ChangeRules(Rules),
}

/// The whole stand.
pub(crate) struct Stand {
    pub(crate) dice: Arc<Dice>,
    pub(crate) figures: Arc<Figures>,
    pub(crate) deliveries: Arc<Deliveries>,
    pub(crate) services: Arc<Services>,
    /// Deeds, each with the number of invocations after which it is done.
    deeds: Mutex<VecDeque<(usize, Deed)>>,
    /// Processes that wait, as Lambda keeps them warm.
    idle: Mutex<Vec<Process>>,
    /// Where the next invocations end in the middle.
    ends: Mutex<VecDeque<End>>,
    /// For how long the invocations of a sweep's list may go on.
    list_time: Mutex<Duration>,
    environment: Vec<(&'static str, &'static str)>,
}

impl Stand {
    pub(crate) fn new(seed: u64, environment: &[(&'static str, &'static str)]) -> Arc<Stand> {
        let (dice, figures) = (Arc::new(Dice::new(seed)), Arc::new(Figures::default()));
        let deliveries = Arc::new(Deliveries::new(Arc::clone(&dice), Arc::clone(&figures)));
        let services = Services::new(Rules::First, Arc::clone(&dice), Arc::clone(&figures), Arc::clone(&deliveries));
        Arc::new(Stand {
            dice,
            figures,
            deliveries,
            services: Arc::new(services),
            deeds: Mutex::default(),
            idle: Mutex::default(),
            ends: Mutex::default(),
            list_time: Mutex::new(Duration::from_secs(20)),
            environment: environment.to_vec(),
        })
    }

    /// From now on the services fail at times, and deliveries are no better than they promise.
    pub(crate) fn become_foul(&self, weather: Weather) {
        self.services.set_weather(weather);
        self.deliveries.become_rough();
    }

    /// Lists of repositories are handed to the next invocation after two thirds of this.
    pub(crate) fn set_list_time(&self, time: Duration) {
        *self.list_time.lock().unwrap() = time;
    }

    /// Has the next invocation end there.
    pub(crate) fn end_next(&self, end: End) {
        self.ends.lock().unwrap().push_back(end);
    }

    /// Has this done after that many invocations from now.
    pub(crate) fn after(&self, invocations: usize, deed: Deed) {
        let mut deeds = self.deeds.lock().unwrap();
        deeds.push_back((self.deliveries.finished() + invocations, deed));
        deeds.make_contiguous().sort_by_key(|(after, _)| *after);
    }

    pub(crate) fn act(&self, deed: Deed) {
        match deed {
            Deed::Create(name, tags) => {
                self.figures.count("repositories created");
                let by_ecr = self.dice.falls(&format!("by itself {name}"), 0.15);
                let event = match by_ecr {
                    true => created_by_ecr(&format!("creation-{name}"), &name),
                    false => created(&format!("creation-{name}"), &name, &tags),
                };
                self.services.put(&name, Repository::new(tags));
                self.services.come(&name);
                self.deliveries.invoke(&event, true);
            }
            Deed::Delete(name) => {
                self.figures.count("repositories deleted");
                self.services.delete(&name);
            }
            Deed::Visit(name, stranger) => self.services.visit(&name, stranger),
            Deed::ChangeRules(rules) => {
                self.services.set_rules(rules);
                self.deliveries.invoke(&parameter_changed("parameter"), false);
            }
        }
    }

    /// Has that many processes deal with everything that waits, until nothing does.
    pub(crate) async fn run(self: &Arc<Self>, processes: usize) {
        let mut slots = tokio::task::JoinSet::new();
        for _ in 0..processes {
            slots.spawn(Arc::clone(self).slot());
        }
        while let Some(ended) = slots.join_next().await {
            ended.unwrap();
        }
        let offences = self.services.offences();
        assert!(offences.is_empty(), "{} offences:\n{}", offences.len(), offences.join("\n"));
        self.deliveries.check_that_nothing_is_lost();
    }

    async fn slot(self: Arc<Self>) {
        let mut process = self.idle.lock().unwrap().pop();
        loop {
            let idle = {
                let mut deeds = self.deeds.lock().unwrap();
                while deeds.front().is_some_and(|(after, _)| *after <= self.deliveries.finished()) {
                    self.act(deeds.pop_front().unwrap().1);
                }
                deeds.is_empty()
            };
            match self.deliveries.take().await {
                Some(deliveries::Job::Event(event)) => self.deal_with_event(event, &mut process).await,
                Some(deliveries::Job::Batch(messages)) => self.deal_with_batch(messages, &mut process).await,
                None if idle => break,
                None => {
                    let next = self.deeds.lock().unwrap().pop_front();
                    next.into_iter().for_each(|(_, deed)| self.act(deed));
                }
            }
        }
        self.idle.lock().unwrap().extend(process);
    }

    async fn deal_with_event(&self, event: Event, process: &mut Option<Process>) {
        let mut random = self.dice.throw(&format!("invocation {}", event.id));
        let creation = event.creation;
        let long = if creation { Duration::from_secs(6) } else { *self.list_time.lock().unwrap() };
        let (time, end) = self.troubles(&mut random, long, 1, 1..=4);
        let job = Job { event: event.payload.clone(), time, creation, end };
        let went_wrong = match self.invoke(process, &job).await {
            Ok(response) => {
                let outcome = &response["outcomes"][0]["outcome"];
                let outcome =
                    outcome.as_str().unwrap_or(if response["queued"].is_u64() { "queued" } else { "ignored" });
                self.figures.count(&format!("outcomes {outcome}"));
                None
            }
            Err(error) => Some(error),
        };
        self.deliveries.finish_event(event, went_wrong);
    }

    async fn deal_with_batch(&self, messages: Vec<Message>, process: &mut Option<Process>) {
        let mut random = self.dice.throw("batch");
        let lists = messages.iter().any(|message| message.body.contains(r#""next":"#));
        let long = if lists { *self.list_time.lock().unwrap() } else { Duration::from_secs(20) };
        let (time, end) = self.troubles(&mut random, long, 3, 1..=100);
        let event = json!({ "Records": messages.iter().map(record).collect::<Vec<_>>() }).to_string();
        let all: BTreeSet<String> = messages.iter().map(|message| message.id.clone()).collect();
        let failed = match self.invoke(process, &Job { event, time, creation: false, end }).await {
            Ok(response) => {
                let failures = response["batchItemFailures"].as_array().unwrap();
                let failed: BTreeSet<String> =
                    failures.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect();
                assert!(failed.is_subset(&all), "{failed:?} of {all:?}");
                if !failed.is_empty() && failed.len() < all.len() {
                    self.figures.count("invocations failed-in-part");
                }
                failed
            }
            Err(_) => all,
        };
        self.deliveries.finish_batch(messages, &failed);
    }

    /// The time of an invocation, and where its process ends in the middle: in a storm for that many of a hundred, at
    /// one of these calls.
    fn troubles(
        &self,
        random: &mut fastrand::Rng,
        long: Duration,
        percent: u32,
        calls: std::ops::RangeInclusive<usize>,
    ) -> (Duration, Option<End>) {
        let (short, ends) = (random.u32(..100) < 3, random.u32(..100) < percent);
        let (part, end) = (random.f64(), End { at: random.usize(calls), after: random.bool() });
        if let Some(end) = self.ends.lock().unwrap().pop_front() {
            return (long, Some(end));
        }
        match self.services.weather() {
            Weather::Storm => (if short { long.mul_f64(0.05 + part / 20.0) } else { long }, ends.then_some(end)),
            _ => (long, None),
        }
    }

    /// The response, or what went wrong.
    async fn invoke(&self, slot: &mut Option<Process>, job: &Job) -> Result<Value, Value> {
        self.figures.count("invocations all");
        let mut process = match slot.take() {
            Some(process) => process,
            None => {
                self.figures.count("invocations cold");
                Process::start(&self.services, &self.environment).await
            }
        };
        let (result, ended) = match process.invoke(job).await {
            Answer::Response(response) => (Ok(response), None),
            Answer::Error(error) => {
                let kind = error["errorType"].as_str().unwrap_or_default().to_owned();
                self.figures.count(&format!("errors {kind}"));
                (Err(error), None)
            }
            Answer::Killed => (Err(json!({ "errorType": "Runtime.ExitError" })), Some("killed")),
            Answer::TimedOut => (Err(json!({ "errorType": "Sandbox.Timedout" })), Some("timed-out")),
            Answer::Crashed(how) => panic!("the process ended by itself: {how}"),
        };
        match ended {
            None => *slot = Some(process),
            Some(how) => self.figures.count(&format!("invocations {how}")),
        }
        result
    }

    /// What each of the processes that wait holds of the machine.
    pub(crate) fn holdings(&self) -> Vec<Holdings> {
        self.idle.lock().unwrap().iter().map(Process::holdings).collect()
    }

    /// The repositories that are named in the failure queue; all of them where it holds the event of a whole sweep.
    pub(crate) fn named_by_failures(&self) -> BTreeSet<String> {
        let failures = self.deliveries.failures();
        let named = failures.iter().flat_map(|failure| match names(&failure.body) {
            names if names.is_empty() => self.services.repositories().into_keys().collect(),
            names => names,
        });
        named.collect()
    }

    /// How many messages of each shape are in the failure queue.
    pub(crate) fn shapes_of_failures(&self) -> BTreeMap<&'static str, usize> {
        let mut shapes = BTreeMap::new();
        for failure in self.deliveries.failures() {
            *shapes.entry(shape(&failure.body)).or_default() += 1;
        }
        shapes
    }
}

/// The shape of a message in the failure queue.
fn shape(message: &Value) -> &'static str {
    match (message.get("requestPayload"), message.get("sweep")) {
        (Some(_), _) => "Lambda's record",
        (_, Some(_)) => "part of a sweep",
        _ => "event",
    }
}

/// The repositories that a message is about, whichever of its shapes it has.
fn names(message: &Value) -> Vec<String> {
    let event = message.get("requestPayload").unwrap_or(message);
    let places = [
        "/detail/responseElements/repository/repositoryName",
        "/detail/requestParameters/repositoryName",
        "/detail/serviceEventDetails/repositoryName",
    ];
    let listed = event["sweep"]["repositories"].as_array().into_iter().flatten();
    let single = places.iter().find_map(|place| event.pointer(place));
    listed.chain(single).map(|name| name.as_str().unwrap().to_owned()).collect()
}
