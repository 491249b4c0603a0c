//! `clear`: removes our statements, and nothing else.

use crate::{
    args::{PrefixArgs, ScopeArgs},
    change::{change, require_consent},
    exit::Exit,
    printer::Printer,
    scope::Scope,
    source::SourceText,
};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "On a terminal it shows the plan and asks; elsewhere it needs --yes. A policy is deleted where no foreign
statement is left in it.

Examples:
  ecr-autopolicy clear
  ecr-autopolicy clear --repository 'sandbox/*' --yes"
)]
pub(crate) struct ClearArgs {
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    prefix: PrefixArgs,
    #[command(flatten)]
    scope: ScopeArgs,
}

pub(crate) async fn run(args: &ClearArgs, printer: &Printer) -> anyhow::Result<Exit> {
    require_consent(args.yes, "clear", printer)?;
    let scope = Scope::open(&args.scope, &args.prefix, printer).await?;
    let no_rules = SourceText { name: "no rules".to_owned(), text: r#"{"rules": []}"#.to_owned() };
    change(&scope, &no_rules.examine(&args.prefix, &scope.registry)?, args.yes, printer).await
}
