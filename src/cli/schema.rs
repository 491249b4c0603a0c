//! `schema`: the JSON Schema of the configuration, and of what the commands print.

use clap::ValueEnum;
use ecr_autopolicy::{configuration::json_schema::json_schema, function::Answer};
use schemars::schema_for;

use crate::{
    check::Checked, doctor::Diagnosis, exit::Exit, printer::Printer, push::Pushed, render::Rendered, show::Shown,
    swept::Swept, templates::Listed,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ecr-autopolicy schema
  ecr-autopolicy schema plan")]
pub(crate) struct SchemaArgs {
    /// What is described: the configuration, or what a command prints with `--output json`.
    #[arg(value_enum, default_value_t = Subject::Configuration)]
    of: Subject,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Subject {
    Configuration,
    Templates,
    Check,
    Render,
    Show,
    Plan,
    Apply,
    Clear,
    Push,
    Handle,
    Doctor,
}

pub(crate) fn run(args: &SchemaArgs, printer: &Printer) -> anyhow::Result<Exit> {
    let schema = match args.of {
        Subject::Configuration => json_schema(),
        Subject::Templates => schema_for!(Listed),
        Subject::Check => schema_for!(Checked),
        Subject::Render => schema_for!(Rendered),
        Subject::Show => schema_for!(Shown),
        Subject::Plan | Subject::Apply | Subject::Clear => schema_for!(Swept),
        Subject::Push => schema_for!(Pushed),
        Subject::Handle => schema_for!(Answer),
        Subject::Doctor => schema_for!(Diagnosis),
    };
    printer.json(&schema)?;
    Ok(Exit::Success)
}
