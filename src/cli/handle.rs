//! `handle`: does what the function would do with an event.

use std::{path::PathBuf, time::Duration};

use anyhow::Context;
use clap::value_parser;
use ecr_autopolicy::{
    aws::{ConfigurationParameter, Deadline, ParameterClient, RegistryClient},
    controller::Controller,
    function::{Answer, Function, Journal},
    policy::sid::SidPrefix,
    repository::Registry,
};
use serde_json::Value;

use crate::{
    args::{ConnectionArgs, PrefixArgs},
    aws::connect,
    exit::Exit,
    printer::Printer,
    source::SourceText,
};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Changes the repository's policy, as the function would. An event can be taken from the failure queue.

Examples:
  ecr-autopolicy handle event.json --parameter /ecr-autopolicy/policy"
)]
pub(crate) struct HandleArgs {
    /// The file with the event, or `-` for the standard input.
    #[arg(value_name = "EVENT")]
    event: PathBuf,
    /// The SSM parameter that holds the configuration, by name or ARN.
    #[arg(long, value_name = "NAME", env = "POLICY_PARAMETER")]
    parameter: String,
    /// How long the function may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = value_parser!(u64).range(1..=900))]
    timeout: u64,
    /// Read every repository's tags, as the function does where the stack's `ReadTags` is `true`.
    #[arg(long)]
    read_tags: bool,
    /// The account whose function it would be; left out, the event's.
    #[arg(long, value_name = "ID")]
    registry_id: Option<String>,
    #[command(flatten)]
    prefix: PrefixArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

pub(crate) async fn run(args: &HandleArgs, printer: &Printer) -> anyhow::Result<Exit> {
    let event = SourceText::of_file(&args.event)?;
    let event: Value = serde_json::from_str(&event.text).with_context(|| format!("{} is not JSON", event.name))?;
    let prefix = SidPrefix::new(&args.prefix.prefix)?;
    // Lambda's record of an event that it gave up on holds the event.
    let event_itself = event.get("requestPayload").unwrap_or(&event);
    let account = ["/account", "/sweep/registry"].iter().find_map(|place| event_itself.pointer(place)?.as_str());
    let account = args.registry_id.as_deref().or(account);
    let account = account.unwrap_or(Registry::sample().id()).to_owned();
    let aws = connect(&args.connection).await?;
    let own = Registry::new(&account, &aws.region)?;
    let arn = format!("arn:{}:lambda:{}:{}:function:ecr-autopolicy", own.partition(), own.region(), own.id());

    let parameter = ParameterClient::new(&aws.connection, args.parameter.clone());
    let parameter = ConfigurationParameter::new(parameter, prefix.clone(), Duration::ZERO);
    let controller = Controller::new(RegistryClient::new(aws.connection), prefix).reading_tags(args.read_tags);
    let function = Function::new(controller, parameter, None);
    let deadline = Deadline::after(Duration::from_secs(args.timeout));
    let answer = function.handle(event, &arn, &Journal::new(""), deadline).await;
    let answer = answer.map_err(|error| anyhow::anyhow!("{}: {error}", error.label()))?;
    printer.result(|| text(&answer), &answer)?;
    Ok(match answer {
        Answer::Messages(answer) if !answer.batch_item_failures.is_empty() => Exit::Failure,
        _ => Exit::Success,
    })
}

fn text(answer: &Answer) -> String {
    let answer = match answer {
        Answer::Event(answer) => answer,
        Answer::Messages(answer) => {
            let failed = answer.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str());
            return match failed.collect::<Vec<_>>().as_slice() {
                [] => "every message is done".to_owned(),
                failed => format!("failed: {}", failed.join(", ")),
            };
        }
    };
    let outcomes = answer.outcomes.iter().map(|report| {
        let outcome = format!("{} {}: {}", report.outcome.as_str(), report.repository, report.why);
        match report.statements.is_empty() {
            true => outcome,
            false => format!("{outcome}\n  {}", report.statements.join("\n  ")),
        }
    });
    let ignored = answer.ignored.iter().map(|why| format!("ignored: {why}"));
    let unchanged = answer.unchanged.iter().map(|number| format!("{number} unchanged"));
    outcomes.chain(ignored).chain(unchanged).collect::<Vec<_>>().join("\n")
}
