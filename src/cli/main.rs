//! The command line `ecr-autopolicy`: see what the configuration does before it happens, and bring what exists in line.

mod apply;
mod args;
mod aws;
mod change;
mod check;
mod clear;
mod completions;
mod confirm;
mod diff;
mod doctor;
mod exit;
mod handle;
mod names;
mod plan;
mod printer;
mod push;
mod render;
mod saved;
mod schema;
mod scope;
mod show;
mod source;
mod sweep;
mod swept;
mod tally;
mod templates;

use args::{Args, Command};
use clap::Parser;
use exit::Exit;
use printer::Printer;
use tokio::runtime;

fn main() -> Exit {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return Exit::of_usage(&error),
    };
    let printer = Printer::new(args.output);
    let done = runtime::Builder::new_current_thread().enable_all().build().map_err(Into::into).and_then(|runtime| {
        let done = runtime.block_on(run(args.command, &printer));
        // A question that was left open by an interruption must not hold the process.
        runtime.shutdown_background();
        done
    });
    match done {
        Ok(exit) => exit,
        Err(error) => {
            printer.failure(&error);
            Exit::Failure
        }
    }
}

async fn run(command: Command, printer: &Printer) -> anyhow::Result<Exit> {
    match command {
        Command::Templates(args) => templates::run(&args, printer),
        Command::Check(args) => check::run(&args, printer).await,
        Command::Render(args) => render::run(&args, printer).await,
        Command::Show(args) => show::run(&args, printer).await,
        Command::Plan(args) => plan::run(&args, printer).await,
        Command::Apply(args) => apply::run(args, printer).await,
        Command::Clear(args) => clear::run(&args, printer).await,
        Command::Push(args) => push::run(&args, printer).await,
        Command::Handle(args) => handle::run(&args, printer).await,
        Command::Doctor(args) => doctor::run(&args, printer).await,
        Command::Schema(args) => schema::run(&args, printer),
        Command::Completions(args) => completions::completions(&args),
        Command::Manual(args) => completions::manual(&args),
    }
}
