//! `apply`: brings existing repositories in line.

use std::{ops::ControlFlow, path::PathBuf};

use crate::{
    args::{PrefixArgs, ScopeArgs, SourceArgs},
    change::{carry_out_saved, change, require_consent},
    confirm::confirm,
    exit::Exit,
    plan::open,
    printer::{Printer, count},
    saved::SavedPlan,
    scope::Scope,
};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "On a terminal it shows the plan and asks; elsewhere it needs --yes. It goes on past a repository that
fails, lists the failures in the end, and exits with 1. Ctrl-C ends it cleanly: what is done stays, and the
same command goes on with the rest.

Examples:
  ecr-autopolicy apply configuration.json
  ecr-autopolicy apply --parameter /ecr-autopolicy/policy --repository 'team/*' --yes
  ecr-autopolicy apply --plan today.plan"
)]
pub(crate) struct ApplyArgs {
    /// The file with the configuration, or `-` for the standard input.
    #[arg(
        value_name = "SOURCE",
        required_unless_present_any = ["parameter", "plan"],
        conflicts_with_all = ["parameter", "plan"],
    )]
    file: Option<PathBuf>,
    /// Read the configuration from this SSM parameter, by name or ARN.
    #[arg(long, value_name = "NAME", conflicts_with = "plan")]
    parameter: Option<String>,
    /// Do what this saved plan says, except for repositories whose policy has changed since.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["patterns", "read_tags", "region", "registry_id"])]
    plan: Option<PathBuf>,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    prefix: PrefixArgs,
    #[command(flatten)]
    scope: ScopeArgs,
}

pub(crate) async fn run(args: ApplyArgs, printer: &Printer) -> anyhow::Result<Exit> {
    require_consent(args.yes, "apply", printer)?;
    if let Some(plan) = args.plan {
        return apply_saved(&SavedPlan::open(&plan)?, args.scope, args.yes, printer).await;
    }
    let source = SourceArgs { file: args.file, parameter: args.parameter };
    let (scope, source) = open(&source, &args.prefix, &args.scope, printer).await?;
    change(&scope, &source, args.yes, printer).await
}

async fn apply_saved(saved: &SavedPlan, mut args: ScopeArgs, yes: bool, printer: &Printer) -> anyhow::Result<Exit> {
    args.connection.region = Some(saved.registry.region().to_owned());
    let scope = Scope::of(saved.registry.clone(), saved.prefix.clone(), &args).await?;
    let question = format!("Change {} of {} as planned?", count(saved.changes, "repository"), scope.place());
    if !yes && let ControlFlow::Break(exit) = confirm(&question).await? {
        printer.note("nothing was changed");
        return Ok(exit);
    }
    let tally = carry_out_saved(&scope, saved, printer).await?;
    Ok(tally.exit())
}
