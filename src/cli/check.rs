//! `check`: every finding about a configuration.

use ecr_autopolicy::finding::{Finding, Severity};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    args::{ConnectionArgs, PrefixArgs, SourceArgs},
    exit::Exit,
    printer::{Printer, count},
    source::{SourceText, offline_registry},
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Exits with 1 where a finding is an error.

Examples:
  ecr-autopolicy check configuration.json
  ecr-autopolicy check --parameter /ecr-autopolicy/policy")]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    prefix: PrefixArgs,
    /// The account id of the registry; left out, an id that nobody has.
    #[arg(long, value_name = "ID")]
    registry_id: Option<String>,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Every finding about a configuration.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Checked<'a> {
    source: &'a str,
    errors: usize,
    warnings: usize,
    findings: Vec<Found<'a>>,
}

#[derive(Serialize, JsonSchema)]
struct Found<'a> {
    severity: String,
    /// A JSON pointer; empty for the whole text.
    pointer: &'a str,
    line: Option<usize>,
    column: Option<usize>,
    message: &'a str,
    hint: Option<&'a str>,
}

pub(crate) async fn run(args: &CheckArgs, printer: &Printer) -> anyhow::Result<Exit> {
    let text = SourceText::read(&args.source, &args.connection).await?;
    let source = text.examine(&args.prefix, &offline_registry(args.registry_id.as_deref(), &args.connection)?)?;
    let of = |severity| source.findings.0.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (of(Severity::Error), of(Severity::Warning));
    let findings = source.findings.0.iter().map(found).collect();
    let checked = Checked { source: &source.name, errors, warnings, findings };
    let text = || {
        let summary = match (errors, warnings) {
            (0, 0) => format!(
                "{} is a valid configuration with {}",
                source.name,
                count(source.configuration.rules.len(), "rule")
            ),
            _ => format!("{} and {} in {}", count(errors, "error"), count(warnings, "warning"), source.name),
        };
        match source.findings_text() {
            findings if findings.is_empty() => summary,
            findings => format!("{findings}\n{summary}"),
        }
    };
    printer.result(text, &checked)?;
    Ok(if errors == 0 { Exit::Success } else { Exit::Failure })
}

fn found(finding: &Finding) -> Found<'_> {
    Found {
        severity: finding.severity.to_string(),
        pointer: finding.place.pointer(),
        line: finding.position.map(|position| position.line),
        column: finding.position.map(|position| position.column),
        message: &finding.message,
        hint: finding.hint.as_deref(),
    }
}
