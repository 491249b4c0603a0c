//! `render`: the policy that one repository would get.

use anyhow::Context;
use ecr_autopolicy::{
    configuration::Tags,
    policy::document::{Document, Statement},
    repository::Repository,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{
    args::{ConnectionArgs, PrefixArgs, SourceArgs},
    exit::Exit,
    printer::Printer,
    source::{SourceText, offline_registry},
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ecr-autopolicy render configuration.json --repository team/app
  ecr-autopolicy render configuration.json --repository team/app --tag team=payments --explain")]
pub(crate) struct RenderArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    prefix: PrefixArgs,
    /// The repository's name.
    #[arg(long, value_name = "NAME")]
    repository: String,
    /// A tag of the repository; can be given several times.
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    tags: Vec<String>,
    /// Tell on stderr which rule each statement comes from.
    #[arg(long)]
    explain: bool,
    /// The account id of the registry; left out, an id that nobody has.
    #[arg(long, value_name = "ID")]
    registry_id: Option<String>,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// The policy that a repository would get.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Rendered {
    /// The repository's ARN.
    repository: String,
    /// The policy document; `null` where no rule matches.
    policy: Option<Value>,
    /// Where each statement comes from.
    statements: Vec<Origin>,
}

#[derive(Serialize, JsonSchema)]
struct Origin {
    sid: String,
    /// The rule's name; `null` in the short forms.
    rule: Option<String>,
}

pub(crate) async fn run(args: &RenderArgs, printer: &Printer) -> anyhow::Result<Exit> {
    let text = SourceText::read(&args.source, &args.connection).await?;
    let source = text.examine(&args.prefix, &offline_registry(args.registry_id.as_deref(), &args.connection)?)?;
    source.require_valid(printer)?;
    let repository = Repository::new(source.registry.clone(), &args.repository)?;
    let tags = tags(&args.tags)?;
    let desired = source.configuration.desired(&repository, &tags, &source.prefix)?;

    let mut statements = Vec::new();
    for rule in source.configuration.rules.iter().filter(|rule| rule.matches(&repository, &tags)) {
        for statement in rule.statements(&repository, &source.prefix).map_err(|finding| anyhow::anyhow!("{finding}"))? {
            let sid = statement.sid().unwrap_or_default().to_owned();
            statements.push(Origin { sid, rule: rule.name.clone() });
        }
    }
    let policy = (!desired.statements.is_empty()).then(|| document(desired.statements));
    if policy.is_none() {
        printer.note(format!("no rule matches `{}`, so it gets no policy", repository.name()));
    }
    if args.explain {
        for Origin { sid, rule } in &statements {
            printer.note(format!(
                "{sid} comes from {}",
                rule.as_ref().map_or("the only rule".to_owned(), |rule| format!("the rule `{rule}`"))
            ));
        }
    }
    let text = policy.as_ref().map(serde_json::to_string_pretty).transpose()?.unwrap_or_default();
    if policy.is_some() || printer.is_json() {
        printer.result(|| text, &Rendered { repository: repository.arn(), policy, statements })?;
    }
    Ok(Exit::Success)
}

fn document(statements: Vec<Statement>) -> Value {
    Document { version: Some(Document::VERSION.to_owned()), id: None, statements }.to_value()
}

fn tags(written: &[String]) -> anyhow::Result<Tags> {
    let pair = |text: &String| {
        let (key, value) = text.split_once('=').with_context(|| format!("`{text}` is not a tag; write `KEY=VALUE`"))?;
        Ok((key.to_owned(), value.to_owned()))
    };
    written.iter().map(pair).collect()
}
