//! The command line `ecr-autopolicy`: see what the configuration does before it happens.

mod args;
mod check;
mod completions;
mod exit;
mod printer;
mod render;
mod schema;
mod source;
mod templates;

use args::{Args, Command};
use clap::Parser;
use exit::Exit;
use printer::Printer;

fn main() -> Exit {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return Exit::of_usage(&error),
    };
    let printer = Printer::new(args.output);
    match run(args.command, &printer) {
        Ok(exit) => exit,
        Err(error) => {
            printer.failure(&error);
            Exit::Failure
        }
    }
}

fn run(command: Command, printer: &Printer) -> anyhow::Result<Exit> {
    match command {
        Command::Templates(args) => templates::run(&args, printer),
        Command::Check(args) => check::run(&args, printer),
        Command::Render(args) => render::run(&args, printer),
        Command::Schema => schema::run(printer),
        Command::Completions(args) => completions::run(&args),
    }
}
