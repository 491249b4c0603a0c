//! `push`: checks a configuration, then writes it to the parameter.

use std::{ops::ControlFlow, path::PathBuf};

use ecr_autopolicy::{
    aws::{Deadline, ParameterClient, Stored},
    error::Error,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    args::{PrefixArgs, ScopeArgs},
    aws::{connect, parameter},
    change::require_consent,
    confirm::confirm,
    diff,
    exit::Exit,
    plan::survey,
    printer::Printer,
    scope::Scope,
    source::{PARAMETER_PATIENCE, SourceText, offline_registry},
    tally::{Tally, Tense},
};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Refuses a configuration with errors. Shows the difference to the value that the parameter has, unless it is a
SecureString, and how many repositories the new value would change. Keeps the parameter's type; one that does
not exist yet becomes a String.

Examples:
  ecr-autopolicy push configuration.json --parameter /ecr-autopolicy/policy
  ecr-autopolicy push configuration.json --parameter /ecr-autopolicy/policy --yes"
)]
pub(crate) struct PushArgs {
    /// The file with the configuration, or `-` for the standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The name of the SSM parameter to write, which is in the Region of the registry.
    #[arg(long, value_name = "NAME")]
    parameter: String,
    /// The key that encrypts a SecureString, `alias/aws/ssm` for the account's own; SSM would take that one unasked.
    #[arg(long, value_name = "KEY")]
    key_id: Option<String>,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    prefix: PrefixArgs,
    #[command(flatten)]
    scope: ScopeArgs,
}

/// What became of the parameter.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Pushed {
    /// The parameter's name or ARN.
    parameter: String,
    /// Whether it was written; not where it held this value already, or the user said no.
    written: bool,
    /// The version that was written.
    version: Option<i64>,
    /// What the new value means for the repositories that exist.
    summary: Tally,
}

pub(crate) async fn run(args: &PushArgs, printer: &Printer) -> anyhow::Result<Exit> {
    require_consent(args.yes, "push", printer)?;
    anyhow::ensure!(
        !args.parameter.starts_with("arn:"),
        "`{}` is an ARN; push takes the parameter's name, and writes it in the account of the credentials",
        args.parameter
    );
    let text = SourceText::of_file(&args.file)?;
    let offline = offline_registry(args.scope.registry_id.as_deref(), &args.scope.connection)?;
    let offline = text.examine(&args.prefix, &offline)?;
    if offline.findings.has_errors() {
        offline.require_valid(printer)?;
    }
    let aws = connect(&args.scope.connection).await?;
    let client = ParameterClient::new(&aws.connection, args.parameter.clone());
    let live = read(&client).await?;
    anyhow::ensure!(
        args.key_id.is_some() || !live.as_ref().is_some_and(Stored::is_secure),
        "`{}` is a SecureString; pass the key that encrypts it as `--key-id`, `alias/aws/ssm` for the account's own",
        args.parameter
    );
    let scope = Scope::open(&args.scope, &args.prefix, printer).await?;
    let source = text.examine(&args.prefix, &scope.registry)?;
    source.require_valid(printer)?;

    let mut pushed =
        Pushed { parameter: args.parameter.clone(), written: false, version: None, summary: Tally::default() };
    if live.as_ref().is_some_and(|live| live.value == text.text) {
        printer.result(|| format!("`{}` holds this value already", args.parameter), &pushed)?;
        return Ok(Exit::Success);
    }
    match &live {
        None => printer.note(format!("`{}` does not exist yet", args.parameter)),
        Some(live) if live.is_secure() => {
            printer.note(format!("`{}` is a SecureString, whose value is not shown", args.parameter))
        }
        Some(live) => printer.note(format!("`{}` changes:\n{}", args.parameter, diff::lines(&live.value, &text.text))),
    }
    let mut changed = Vec::new();
    let summary = survey(&scope, source.wanted(), printer, |repository, done| {
        let changes = done.as_ref().is_ok_and(|planned| planned.changes());
        if changes && changed.len() < NAMED {
            changed.push(repository.name().to_owned());
        }
        Ok(())
    });
    pushed.summary = summary.await?;
    printer.note(format!(
        "what it means for the repositories that exist:\n{}",
        pushed.summary.text(Tense::Planned, scope.names.len())
    ));
    if !changed.is_empty() {
        let more = pushed.summary.changes() - changed.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        printer.note(format!("to change or to clear: {}{more}", changed.join(", ")));
    }
    if pushed.summary.interrupted {
        return Ok(Exit::Interrupted);
    }
    let question = format!("Write `{}` in {}?", args.parameter, aws.region);
    if !args.yes
        && let ControlFlow::Break(exit) = confirm(&question).await?
    {
        printer.note("nothing was written");
        if printer.is_json() {
            printer.json(&pushed)?;
        }
        return Ok(exit);
    }
    anyhow::ensure!(args.yes || read(&client).await? == live, "`{}` has changed meanwhile; push again", args.parameter);
    let kind = live.as_ref().map_or("String", |live| &live.kind);
    pushed.version = Some(parameter::write(&aws, &args.parameter, &text.text, kind, args.key_id.as_deref()).await?);
    pushed.written = true;
    printer
        .result(|| format!("wrote `{}`, version {}", args.parameter, pushed.version.unwrap_or_default()), &pushed)?;
    Ok(Exit::Success)
}

/// What the parameter holds, if there is one.
async fn read(client: &ParameterClient) -> anyhow::Result<Option<Stored>> {
    match client.read(Deadline::after(PARAMETER_PATIENCE)).await {
        Ok(stored) => Ok(Some(stored)),
        Err(Error::ConfigurationMissing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// So many repositories are named; the rest is counted.
const NAMED: usize = 10;
