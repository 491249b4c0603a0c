//! `completions`: completions for a shell. `manual`: the manual's pages.

use std::{io, path::PathBuf};

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::{args::Args, exit::Exit};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ecr-autopolicy completions bash > ~/.local/share/bash-completion/completions/ecr-autopolicy")]
pub(crate) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ecr-autopolicy manual ~/.local/share/man/man1 && man ecr-autopolicy-plan")]
pub(crate) struct ManualArgs {
    /// The folder to write the pages to.
    folder: PathBuf,
}

pub(crate) fn completions(args: &CompletionsArgs) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "ecr-autopolicy", &mut script);
    io::Write::write_all(&mut io::stdout().lock(), &script)?;
    Ok(Exit::Success)
}

pub(crate) fn manual(args: &ManualArgs) -> anyhow::Result<Exit> {
    let folder = args.folder.display();
    std::fs::create_dir_all(&args.folder).with_context(|| format!("`{folder}` cannot be made"))?;
    clap_mangen::generate_to(Args::command(), &args.folder).with_context(|| format!("`{folder}` cannot be written"))?;
    Ok(Exit::Success)
}
