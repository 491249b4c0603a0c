//! The commands, and the arguments that several of them take.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum, builder::styling, value_parser};

use crate::{
    apply::ApplyArgs,
    check::CheckArgs,
    clear::ClearArgs,
    completions::{CompletionsArgs, ManualArgs},
    doctor::DoctorArgs,
    handle::HandleArgs,
    plan::PlanArgs,
    push::PushArgs,
    render::RenderArgs,
    schema::SchemaArgs,
    show::ShowArgs,
    templates::TemplatesArgs,
};

const STYLES: styling::Styles = styling::Styles::styled()
    .header(styling::AnsiColor::Green.on_default().bold())
    .usage(styling::AnsiColor::Green.on_default().bold())
    .literal(styling::AnsiColor::Cyan.on_default().bold())
    .placeholder(styling::AnsiColor::Cyan.on_default());

/// See which Amazon ECR repositories get which policy, before it happens, and bring those that exist in line.
#[derive(Debug, Parser)]
#[command(name = "ecr-autopolicy", version, styles = STYLES, max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// How to print the result.
    #[arg(long, global = true, value_enum, default_value_t = Output::Text, value_name = "FORMAT")]
    pub(crate) output: Output,
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// One JSON object, for programs.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the templates, or show one.
    Templates(TemplatesArgs),
    /// Find every mistake in a configuration.
    Check(CheckArgs),
    /// Print the policy that a repository would get. Needs no AWS.
    Render(RenderArgs),
    /// Show the policies that repositories have, and which of their statements are ours.
    Show(ShowArgs),
    /// Show what a configuration would change. Changes nothing.
    Plan(PlanArgs),
    /// Bring existing repositories in line with a configuration.
    Apply(ApplyArgs),
    /// Remove our statements from existing repositories, and nothing else.
    Clear(ClearArgs),
    /// Check a configuration, then write it to the parameter.
    Push(PushArgs),
    /// Do what the function would do with an event.
    Handle(HandleArgs),
    /// Find out why nothing happens.
    Doctor(DoctorArgs),
    /// Print the JSON Schema of the configuration, or of a command's output.
    Schema(SchemaArgs),
    /// Print the completions for a shell.
    Completions(CompletionsArgs),
    /// Write the manual's pages.
    Manual(ManualArgs),
}

/// Where a configuration comes from.
#[derive(Debug, clap::Args)]
pub(crate) struct SourceArgs {
    /// The file with the configuration, or `-` for the standard input.
    #[arg(value_name = "SOURCE", required_unless_present = "parameter", conflicts_with = "parameter")]
    pub(crate) file: Option<PathBuf>,
    /// Read the configuration from this SSM parameter, by name or ARN.
    #[arg(long, value_name = "NAME")]
    pub(crate) parameter: Option<String>,
}

/// Which statements are ours.
#[derive(Debug, clap::Args)]
pub(crate) struct PrefixArgs {
    /// What the ids of managed statements begin with.
    #[arg(long, value_name = "PREFIX", env = "STATEMENT_PREFIX", default_value = "AutoPolicy")]
    pub(crate) prefix: String,
}

/// How AWS is reached. What is left out is found as the AWS CLI finds it.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "AWS")]
pub(crate) struct ConnectionArgs {
    /// The profile of your AWS configuration to use.
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// The Region.
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// A file of certificates to trust in place of the system's.
    #[arg(long, value_name = "FILE", env = "AWS_CA_BUNDLE")]
    pub(crate) ca_bundle: Option<PathBuf>,
}

/// Which repositories a command is about.
#[derive(Debug, clap::Args)]
pub(crate) struct ScopeArgs {
    /// Only repositories whose name matches, with `*` and `?`; can be given several times.
    #[arg(long = "repository", value_name = "PATTERN")]
    pub(crate) patterns: Vec<String>,
    /// Read every repository's tags, and leave alone those tagged `ecr-autopolicy=off`.
    #[arg(long)]
    pub(crate) read_tags: bool,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    /// The account id of the registry, where it is not that of the credentials.
    #[arg(long, value_name = "ID", help_heading = "AWS")]
    pub(crate) registry_id: Option<String>,
    /// For how long one call is tried again while ECR throttles it.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = value_parser!(u64).range(1..=86_400), help_heading = "AWS")]
    pub(crate) patience: u64,
}
