//! The commands and their arguments.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum, builder::styling};
use clap_complete::Shell;

const STYLES: styling::Styles = styling::Styles::styled()
    .header(styling::AnsiColor::Green.on_default().bold())
    .usage(styling::AnsiColor::Green.on_default().bold())
    .literal(styling::AnsiColor::Cyan.on_default().bold())
    .placeholder(styling::AnsiColor::Cyan.on_default());

/// See which Amazon ECR repositories get which policy, before it happens.
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
    /// Print the configuration's JSON Schema.
    Schema,
    /// Print the completions for a shell.
    Completions(CompletionsArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ecr-autopolicy templates
  ecr-autopolicy templates organization-ou")]
pub(crate) struct TemplatesArgs {
    /// The template to show.
    pub(crate) name: Option<String>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Exits with 1 where a finding is an error.

Examples:
  ecr-autopolicy check configuration.json
  aws ssm get-parameter --name /ecr-autopolicy/policy --query Parameter.Value --output text \\
    | ecr-autopolicy check -")]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ecr-autopolicy render configuration.json --repository team/app
  ecr-autopolicy render configuration.json --repository team/app --tag team=payments --explain")]
pub(crate) struct RenderArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// The repository's name.
    #[arg(long, value_name = "NAME")]
    pub(crate) repository: String,
    /// A tag of the repository; can be given several times.
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    pub(crate) tags: Vec<String>,
    /// Tell on stderr which rule each statement comes from.
    #[arg(long)]
    pub(crate) explain: bool,
}

/// Where a configuration comes from.
#[derive(Debug, clap::Args)]
pub(crate) struct SourceArgs {
    /// The file with the configuration, or `-` for the standard input.
    #[arg(value_name = "SOURCE")]
    pub(crate) file: PathBuf,
    /// What the ids of managed statements begin with.
    #[arg(long, value_name = "PREFIX", env = "STATEMENT_PREFIX", default_value = "AutoPolicy")]
    pub(crate) prefix: String,
    /// The account id of the registry; left out, an id that nobody has.
    #[arg(long, value_name = "ID", default_value = "000000000000")]
    pub(crate) registry_id: String,
    /// The registry's Region.
    #[arg(long, value_name = "REGION", default_value = "us-east-1")]
    pub(crate) region: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    pub(crate) shell: Shell,
}
