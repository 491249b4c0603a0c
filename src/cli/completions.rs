//! `completions`: completions for a shell.

use std::io;

use clap::CommandFactory;

use crate::{
    args::{Args, CompletionsArgs},
    exit::Exit,
};

pub(crate) fn run(args: &CompletionsArgs) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "ecr-autopolicy", &mut script);
    io::Write::write_all(&mut io::stdout().lock(), &script)?;
    Ok(Exit::Success)
}
