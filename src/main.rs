//! The Lambda function `bootstrap`: reads its environment once, then hands every event to the library.

use std::{
    io::{Write, stdout},
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ecr_autopolicy::{
    aws::{ConfigurationParameter, Connection, Deadline, ParameterClient, RegistryClient, WorkQueue},
    controller::Controller,
    error::Error,
    function::{Answer, Function, Journal, Settings},
};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::value::RawValue;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::filter_fn, layer::SubscriberExt, util::SubscriberInitExt};

/// What is kept back of an invocation's time, to answer before Lambda ends the process.
const TO_ANSWER: Duration = Duration::from_millis(500);

/// How long the first event waits at most for what is prepared for it.
const TO_PREPARE: Duration = Duration::from_secs(2);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    start_log();
    let function = match start().await {
        Ok(function) => function,
        Err(error) => {
            tracing::error!(error_type = error.label(), error = %error, "cannot start");
            return ExitCode::FAILURE;
        }
    };
    let handler = service_fn(|event| handle(&function, event));
    match lambda_runtime::run(handler).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the runtime stopped");
            ExitCode::FAILURE
        }
    }
}

/// Lines of JSON, whatever Lambda's own setting, since metrics and alarms are made from them; from the level of
/// `AWS_LAMBDA_LOG_LEVEL` on.
fn start_log() {
    let level = match variable("AWS_LAMBDA_LOG_LEVEL").as_deref() {
        Some("FATAL") => LevelFilter::ERROR,
        Some(level) => level.parse().unwrap_or(LevelFilter::INFO),
        None => LevelFilter::INFO,
    };
    // The runtime would log each failure once more, as Rust prints it.
    let once = filter_fn(|told| told.target() != "lambda_runtime::layers::panic");
    let log = tracing_subscriber::fmt().json().flatten_event(true).with_current_span(false).with_span_list(false);
    log.with_max_level(level).with_target(false).finish().with(once).init();
}

async fn start() -> Result<Function, Error> {
    let settings = Settings::read(variable)?;
    let connection = Connection::from_variables(variable)?;
    let region = connection.sdk_config().region().map(ToString::to_string);
    let parameter = ParameterClient::new(&connection, settings.parameter);
    let parameter = ConfigurationParameter::new(parameter, settings.prefix.clone(), settings.keep);
    let queue = settings.work_queue.map(|url| WorkQueue::new(&connection, url));
    let controller = Controller::new(RegistryClient::new(connection), settings.prefix);
    let function = Function::new(controller.reading_tags(settings.read_tags), parameter, queue);
    // Lambda gives a whole processor until the first event is asked for, and less afterwards.
    function.prepare(region.as_deref(), Deadline::after(TO_PREPARE)).await;
    Ok(function)
}

/// The event comes as its text, because the runtime would note the path of every value while it reads them.
async fn handle(function: &Function, event: LambdaEvent<Box<RawValue>>) -> Result<Answer, Diagnostic> {
    let (event, context) = event.into_parts();
    let deadline = deadline(Duration::from_millis(context.deadline));
    let journal = Journal::new(&context.request_id);
    let answer = function.handle_text(event.get(), &context.invoked_function_arn, &journal, deadline).await;
    print(&journal.metrics().lines(&context.env_config.function_name, SystemTime::now()));
    answer.map_err(|error| Diagnostic { error_type: error.label().to_owned(), error_message: error.to_string() })
}

/// The log is where CloudWatch reads metrics.
fn print(lines: &[String]) {
    let mut out = stdout().lock();
    for line in lines {
        // There is nobody to tell that nobody listens.
        let _lost = writeln!(out, "{line}");
    }
}

/// `end` is when Lambda ends the invocation, since the Unix epoch.
fn deadline(end: Duration) -> Deadline {
    let left = (UNIX_EPOCH + end).duration_since(SystemTime::now()).unwrap_or_default();
    Deadline::after(left.saturating_sub(TO_ANSWER.min(left / 5)))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
