//! What waits for the function: events that it is invoked with, messages of its work queue, and the failure queue where
//! both end that nobody could deal with.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::dice::Dice;
use crate::figures::Figures;
use crate::services::{ACCOUNT, FUNCTION};

/// A second of Lambda's and SQS's pauses: here they are a thousand times shorter.
const SECOND: Duration = Duration::from_millis(1);
/// How often Lambda tries an event in all.
const TRIES: u32 = 3;
/// How often SQS hands a message out before it goes to the failure queue.
const RECEIVES: u32 = 5;
/// How long SQS hides a message that was handed out.
const VISIBILITY: u32 = 300;
/// The most messages in one invocation, as in the template.
const BATCH: usize = 2;

/// An event of an asynchronous invocation.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) payload: String,
    /// Whether it is the creation of a repository.
    pub(crate) creation: bool,
    pub(crate) tries: u32,
    ready: Instant,
}

/// A message of the work queue.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// What tells it from other copies of the same message.
    copy: String,
    pub(crate) id: String,
    pub(crate) body: String,
    receives: u32,
    ready: Instant,
}

/// One invocation.
#[derive(Debug)]
pub(crate) enum Job {
    Event(Event),
    Batch(Vec<Message>),
}

/// A message of the failure queue.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) copy: String,
    pub(crate) body: Value,
}

#[derive(Default)]
struct State {
    events: Vec<Event>,
    messages: Vec<Message>,
    failures: Vec<Failure>,
    working: usize,
    batches: usize,
    finished: usize,
    number: usize,
    most: usize,
    concurrency: usize,
    rough: bool,
    offered: BTreeSet<String>,
    done: BTreeSet<String>,
    given_up: BTreeSet<String>,
}

/// All of it.
pub(crate) struct Deliveries {
    state: Mutex<State>,
    changed: Notify,
    dice: Arc<Dice>,
    figures: Arc<Figures>,
}

impl Deliveries {
    pub(crate) fn new(dice: Arc<Dice>, figures: Arc<Figures>) -> Deliveries {
        let state = State { concurrency: 20, ..State::default() };
        Deliveries { state: Mutex::new(state), changed: Notify::new(), dice, figures }
    }

    /// Some things come twice from now on, and some events cannot be delivered.
    pub(crate) fn become_rough(&self) {
        self.state().rough = true;
    }

    /// How many invocations at once the queue's mapping may hold.
    pub(crate) fn set_concurrency(&self, batches: usize) {
        self.state().concurrency = batches;
    }

    /// An event for the function. It may come twice, and one that cannot be delivered goes to the failure queue.
    pub(crate) fn invoke(&self, event: &Value, creation: bool) {
        let id = event["id"].as_str().unwrap();
        let mut state = self.state();
        if state.rough && self.dice.falls(&format!("undelivered {id}"), 0.005) {
            self.figures.count("events undeliverable");
            let copy = state.offer(id);
            state.given_up.insert(copy.clone());
            state.failures.push(Failure { copy, body: event.clone() });
            return;
        }
        let copies = 1 + u64::from(state.rough && self.dice.falls(&format!("twice {id}"), 0.03));
        self.figures.add("events twice", copies - 1);
        for _ in 0..copies {
            self.figures.count("events offered");
            let id = state.offer(id);
            state.events.push(Event { id, payload: event.to_string(), creation, tries: 0, ready: Instant::now() });
        }
        self.changed.notify_waiters();
    }

    /// A message for the work queue, which hands it out after that many seconds, and perhaps twice.
    pub(crate) fn send(&self, body: &str, delay: u64) {
        let second = if is_second_look(body) { Duration::from_secs(1) } else { SECOND };
        let mut state = self.state();
        state.number += 1;
        let id = format!("message-{}", state.number);
        let copies = 1 + u64::from(state.rough && self.dice.once(&id, 0.02));
        self.figures.add("messages twice", copies - 1);
        for _ in 0..copies {
            self.figures.count("messages offered");
            let ready = Instant::now() + second * u32::try_from(delay).unwrap();
            let copy = state.offer(&id);
            state.messages.push(Message { copy, id: id.clone(), body: body.to_owned(), receives: 0, ready });
            state.most = state.most.max(state.messages.len());
        }
        self.changed.notify_waiters();
    }

    /// The next invocation; none once there is nothing left to wait for.
    pub(crate) async fn take(&self) -> Option<Job> {
        loop {
            {
                let mut state = self.state();
                if let Some(job) = state.take(&self.dice) {
                    state.working += 1;
                    return Some(job);
                }
                if state.working == 0 && state.events.is_empty() && state.messages.is_empty() {
                    return None;
                }
            }
            tokio::select! {
                () = self.changed.notified() => {}
                () = sleep(Duration::from_millis(5)) => {}
            }
        }
    }

    /// Lambda's end of an event: done, or to be tried again, or given up with what went wrong.
    pub(crate) fn finish_event(&self, mut event: Event, went_wrong: Option<Value>) {
        let mut state = self.state();
        state.working -= 1;
        state.finished += 1;
        event.tries += 1;
        match went_wrong {
            None => {
                state.done.insert(event.id);
            }
            Some(_) if event.tries < TRIES => {
                self.figures.count("events tried-again");
                event.ready = Instant::now() + SECOND * 60 * event.tries;
                state.events.push(event);
            }
            Some(error) => {
                self.figures.count("events given-up");
                let body = json!({
                    "version": "1.0",
                    "timestamp": "2026-11-20T09:17:27.000Z",
                    "requestContext": {
                        "requestId": event.id,
                        "functionArn": format!("{FUNCTION}:$LATEST"),
                        "condition": "RetriesExhausted",
                        "approximateInvokeCount": TRIES,
                    },
                    "requestPayload": serde_json::from_str::<Value>(&event.payload).unwrap(),
                    "responseContext": {
                        "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"
                    },
                    "responsePayload": error,
                });
                state.given_up.insert(event.id.clone());
                state.failures.push(Failure { copy: event.id, body });
            }
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// The mapping's end of a batch: these messages failed, and the others are deleted.
    pub(crate) fn finish_batch(&self, messages: Vec<Message>, failed: &BTreeSet<String>) {
        let mut state = self.state();
        state.working -= 1;
        state.batches -= 1;
        state.finished += 1;
        for mut message in messages {
            if !failed.contains(&message.id) {
                state.done.insert(message.copy);
            } else if message.receives < RECEIVES {
                self.figures.count("messages received-again");
                message.ready = Instant::now() + SECOND * VISIBILITY;
                state.messages.push(message);
            } else {
                self.figures.count("messages given-up");
                let body = serde_json::from_str(&message.body).unwrap();
                state.given_up.insert(message.copy.clone());
                state.failures.push(Failure { copy: message.copy, body });
            }
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Moves everything from the failure queue to the work queue.
    pub(crate) fn redrive(&self) -> usize {
        let moved = std::mem::take(&mut self.state().failures);
        for failure in &moved {
            self.send(&failure.body.to_string(), 0);
        }
        moved.len()
    }

    /// Something will come that nothing here tells of yet.
    pub(crate) fn expect(&self) {
        self.state().working += 1;
    }

    /// It came.
    pub(crate) fn come(&self) {
        self.state().working -= 1;
        self.changed.notify_waiters();
    }

    /// The most messages that waited at one time.
    pub(crate) fn most(&self) -> usize {
        self.state().most
    }

    /// What is in the failure queue.
    pub(crate) fn failures(&self) -> Vec<Failure> {
        self.state().failures.clone()
    }

    /// How many invocations have ended.
    pub(crate) fn finished(&self) -> usize {
        self.state().finished
    }

    /// Every event and message has either been dealt with or was given up, and what was given up is in the failure queue.
    #[track_caller]
    pub(crate) fn check_that_nothing_is_lost(&self) {
        let state = self.state();
        let ended: BTreeSet<String> = state.done.union(&state.given_up).cloned().collect();
        let lost: Vec<&String> = state.offered.difference(&ended).collect();
        assert!(lost.is_empty(), "neither done nor given up: {lost:?}");
        let queued: BTreeSet<&String> = state.failures.iter().map(|failure| &failure.copy).collect();
        assert_eq!(queued.len(), state.failures.len(), "the failure queue holds something twice");
        assert_eq!(queued, state.given_up.iter().collect(), "the failure queue is not what was given up");
    }

    /// Forgets what was given up, once it was moved on.
    pub(crate) fn forget(&self) {
        let mut state = self.state();
        state.offered.clear();
        state.done.clear();
        state.given_up.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

/// Whether a message asks for another look at everything. That waits until no process remembers the old configuration,
/// which is for real seconds.
fn is_second_look(body: &str) -> bool {
    let message: Value = serde_json::from_str(body).unwrap_or_default();
    message.get("sweep").is_some_and(|sweep| sweep.get("repositories").is_none() && sweep.get("next").is_none())
}

impl State {
    /// A name for one copy of an event or a message.
    fn offer(&mut self, id: &str) -> String {
        let mut copy = id.to_owned();
        while !self.offered.insert(copy.clone()) {
            copy.push('\'');
        }
        copy
    }

    /// Any of what is ready, since neither EventBridge nor SQS keeps an order.
    fn take(&mut self, dice: &Dice) -> Option<Job> {
        let now = Instant::now();
        let mut random = dice.throw("next");
        let batch = self.batches < self.concurrency && self.messages.iter().any(|message| message.ready <= now);
        let event = self.events.iter().any(|event| event.ready <= now);
        if batch && (!event || random.bool()) {
            let most = random.usize(1..=BATCH);
            let mut batch = Vec::new();
            random.shuffle(&mut self.messages);
            while let Some(place) = self.messages.iter().rposition(|message| message.ready <= now)
                && batch.len() < most
            {
                let mut message = self.messages.swap_remove(place);
                message.receives += 1;
                batch.push(message);
            }
            self.batches += 1;
            return Some(Job::Batch(batch));
        }
        if event {
            let start = random.usize(..self.events.len());
            let places = (start..self.events.len()).chain(0..start);
            let place = places.into_iter().find(|place| self.events[*place].ready <= now)?;
            return Some(Job::Event(self.events.swap_remove(place)));
        }
        None
    }
}

/// A record of the work queue, as Lambda hands it over.
pub(crate) fn record(message: &Message) -> Value {
    json!({
        "messageId": message.id,
        "receiptHandle": format!("receipt-{}-{}", message.copy, message.receives),
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": message.receives.to_string(),
            "SentTimestamp": "1763630067000",
            "SenderId": ACCOUNT,
            "ApproximateFirstReceiveTimestamp": "1763630067001",
        },
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": format!("arn:aws:sqs:eu-west-1:{ACCOUNT}:work"),
        "awsRegion": "eu-west-1",
    })
}
