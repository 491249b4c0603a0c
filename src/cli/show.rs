//! `show`: the policies that repositories have, managed and foreign statements told apart.

use anstyle::{AnsiColor, Style};
use ecr_autopolicy::{
    controller::Target,
    policy::{
        document::{Document, Statement},
        sid::SidPrefix,
    },
    repository::Repository,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{
    args::{PrefixArgs, ScopeArgs},
    exit::Exit,
    printer::{Printer, count},
    scope::Scope,
    sweep::sweep,
    tally::{Absence, Problem, Tally},
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ecr-autopolicy show
  ecr-autopolicy show --repository team/app --full")]
pub(crate) struct ShowArgs {
    /// Print the whole statements.
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    prefix: PrefixArgs,
    #[command(flatten)]
    scope: ScopeArgs,
}

/// The policies of a registry's repositories.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Shown {
    repositories: Vec<ShownRepository>,
    summary: Summary,
}

#[derive(Serialize, JsonSchema)]
struct ShownRepository {
    /// The repository's ARN.
    repository: String,
    /// The policy's Version; `null` where the repository has no policy, or the policy no Version.
    version: Option<String>,
    /// The statements that are ours.
    managed: Vec<Value>,
    /// All others.
    foreign: Vec<Value>,
    /// Why the policy cannot be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Problem>,
}

#[derive(Default, Serialize, JsonSchema)]
struct Summary {
    /// Repositories with a statement that is ours.
    managed: usize,
    /// Repositories with foreign statements alone.
    foreign: usize,
    /// Repositories without a policy.
    none: usize,
    /// Repositories whose policy could not be read.
    failed: usize,
    /// The user interrupted the command before all were looked at.
    interrupted: bool,
}

#[derive(Serialize)]
struct Rest<'a> {
    summary: &'a Summary,
}

pub(crate) async fn run(args: &ShowArgs, printer: &Printer) -> anyhow::Result<Exit> {
    let scope = Scope::open(&args.scope, &args.prefix, printer).await?;
    let prefix = SidPrefix::new(&args.prefix.prefix)?;
    let mut summary = Summary::default();
    let mut tally = scope.tally();
    let mut list = printer.list("repositories");
    let work = async |target: Target| {
        let current = scope.controller.current(&target.repository, scope.deadline()).await;
        (target.repository, current.map_err(Absence::from))
    };
    let each = |(repository, current): (Repository, Result<Option<Document>, Absence>)| match current {
        Ok(document) => {
            let (managed, foreign): (Vec<_>, Vec<_>) = document
                .iter()
                .flat_map(|document| &document.statements)
                .partition(|statement| statement.sid().is_some_and(|sid| prefix.owns(sid)));
            *match (&document, managed.is_empty()) {
                (None, _) => &mut summary.none,
                (_, false) => &mut summary.managed,
                (_, true) => &mut summary.foreign,
            } += 1;
            list.item(
                || text(&repository, document.as_ref(), &managed, &foreign, args.full),
                &ShownRepository {
                    repository: repository.arn(),
                    version: document.as_ref().and_then(|document| document.version.clone()),
                    managed: values(&managed),
                    foreign: values(&foreign),
                    error: None,
                },
            )
        }
        Err(absence) => {
            tally.add_absence(repository.name(), &absence);
            match absence {
                Absence::Gone => Ok(()),
                Absence::Failed(problem) => list.json_item(&ShownRepository {
                    repository: repository.arn(),
                    version: None,
                    managed: Vec::new(),
                    foreign: Vec::new(),
                    error: Some(problem),
                }),
            }
        }
    };
    let course = sweep(scope.names.len(), scope.targets(), printer, work, each).await?;
    tally.end(course);
    summary.failed = tally.failed;
    summary.interrupted = tally.interrupted;
    list.end(|| summary_text(&summary, &tally, &scope), &Rest { summary: &summary })?;
    Ok(tally.exit())
}

fn summary_text(summary: &Summary, tally: &Tally, scope: &Scope) -> String {
    let Summary { managed, foreign, none, .. } = summary;
    let counts =
        format!("{managed} with statements of ours, {foreign} with foreign ones alone, {none} without a policy");
    let shown = managed + foreign + none;
    let failed = if tally.failed > 0 { format!(", {} failed", tally.failed) } else { String::new() };
    format!(
        "{}{} of {}: {counts}{failed}{}",
        tally.failures_text(),
        count(shown, "repository"),
        scope.place(),
        tally.interruption_text(scope.names.len().saturating_sub(shown + tally.total()))
    )
}

fn values(statements: &[&Statement]) -> Vec<Value> {
    statements.iter().map(|statement| Value::Object(statement.elements().clone())).collect()
}

fn text(
    repository: &Repository,
    document: Option<&Document>,
    managed: &[&Statement],
    foreign: &[&Statement],
    full: bool,
) -> String {
    let bold = Style::new().bold();
    let mut text = format!("{bold}{}{bold:#}", repository.name());
    if document.is_none() {
        return text + "  no policy";
    }
    let ours = managed.iter().map(|statement| (AnsiColor::Green.on_default(), "managed", statement));
    let theirs = foreign.iter().map(|statement| (AnsiColor::Yellow.on_default(), "foreign", statement));
    for (style, whose, statement) in ours.chain(theirs) {
        text += &format!("\n  {style}{whose}{style:#}  {}", in_a_line(statement));
        if full {
            let statement = format!("{:#}", Value::Object(statement.elements().clone()));
            text += &format!("\n    {}", statement.replace('\n', "\n    "));
        }
    }
    text
}

/// `AutoPolicyAllowPull: Allow 5 actions to * where aws:PrincipalOrgPaths`.
fn in_a_line(statement: &Statement) -> String {
    let element = |name: &str| statement.elements().get(name);
    let sid = statement.sid().unwrap_or("(without a Sid)");
    let effect = element("Effect").and_then(Value::as_str).unwrap_or("?");
    let not = |name: &str| element(name).map(|value| (value, "all but "));
    let some = |name: &str| element(name).map(|value| (value, ""));
    let actions = some("Action")
        .or_else(|| not("NotAction"))
        .map_or_else(String::new, |(value, but)| format!("{but}{}", list(value, "action")));
    let principals =
        some("Principal").or_else(|| not("NotPrincipal")).map_or_else(String::new, |(value, but)| match value {
            Value::Object(kinds) => {
                let kinds = kinds.iter().map(|(kind, value)| match kind.as_str() {
                    "AWS" => list(value, "principal"),
                    kind => format!("{kind} {}", list(value, "principal")),
                });
                format!("{but}{}", kinds.collect::<Vec<_>>().join(" and "))
            }
            value => format!("{but}{}", list(value, "principal")),
        });
    let tests = element("Condition").and_then(Value::as_object).into_iter().flat_map(serde_json::Map::values);
    let keys: Vec<_> = tests.filter_map(Value::as_object).flat_map(serde_json::Map::keys).map(String::as_str).collect();
    let condition = if keys.is_empty() { String::new() } else { format!(" where {}", keys.join(", ")) };
    format!("{sid}: {effect} {actions} to {principals}{condition}")
}

/// One value by itself, several by their number.
fn list(value: &Value, noun: &str) -> String {
    match value {
        Value::Array(items) if items.len() == 1 => items.first().map_or_else(String::new, |item| list(item, noun)),
        Value::Array(items) => count(items.len(), noun),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
