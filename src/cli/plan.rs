//! `plan`: what a configuration would change.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use anyhow::Context;
use ecr_autopolicy::{
    controller::{Outcome, Planned, Target, Wanted},
    repository::Repository,
};
use tempfile::NamedTempFile;

use crate::{
    args::{PrefixArgs, ScopeArgs, SourceArgs},
    diff::Differences,
    exit::Exit,
    printer::{List, Printer},
    saved::{PlanWriter, Purpose},
    scope::Scope,
    source::{Source, SourceText, offline_registry},
    sweep::{Done, tallied},
    swept::{Entry, Rest},
    tally::{Absence, Tally, Tense},
};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "With --detailed-exitcode the exit status is 0 where nothing would change, 2 where something would, and 1
where something is wrong.

Examples:
  ecr-autopolicy plan configuration.json
  ecr-autopolicy plan --parameter /ecr-autopolicy/policy --repository 'team/*' --detailed-exitcode
  ecr-autopolicy plan configuration.json --save today.plan && ecr-autopolicy apply --plan today.plan"
)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    prefix: PrefixArgs,
    /// Exit with 2 where something would change.
    #[arg(long)]
    detailed_exitcode: bool,
    /// Write the plan to this file, for `apply --plan`.
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    #[command(flatten)]
    scope: ScopeArgs,
}

pub(crate) async fn run(args: &PlanArgs, printer: &Printer) -> anyhow::Result<Exit> {
    // The file of an earlier plan stays until there is a whole new one.
    let file = args.save.as_ref().map(|path| beside(path).with_context(|| unwritable(path))).transpose()?;
    let (scope, source) = open(&args.source, &args.prefix, &args.scope, printer).await?;
    let mut writer = file.as_ref().map(|file| writer(file.reopen()?, &scope, &source)).transpose()?;
    let tally = plan(&scope, source.wanted(), printer, writer.as_mut()).await?;
    if let (Some(writer), Some(file), Some(path)) = (writer, file, &args.save) {
        match tally.interrupted {
            true => printer.note("the plan is not whole, and was not saved"),
            false => {
                writer.end()?;
                file.persist(path).with_context(|| unwritable(path))?;
            }
        }
    }
    Ok(match tally.exit() {
        Exit::Success if args.detailed_exitcode && tally.changes() > 0 => Exit::Difference,
        exit => exit,
    })
}

fn beside(path: &Path) -> std::io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    // The name of the temporary file, which the error holds, would tell the user nothing.
    NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).map_err(|error| error.kind().into())
}

fn unwritable(path: &Path) -> String {
    format!("`{}` cannot be written", path.display())
}

/// The configuration, and the repositories that it is for. What is wrong with it is said before AWS is asked.
pub(crate) async fn open(
    source: &SourceArgs,
    prefix: &PrefixArgs,
    scope: &ScopeArgs,
    printer: &Printer,
) -> anyhow::Result<(Scope, Source)> {
    let text = SourceText::read(source, &scope.connection).await?;
    let offline = text.examine(prefix, &offline_registry(scope.registry_id.as_deref(), &scope.connection)?)?;
    if offline.findings.has_errors() {
        offline.require_valid(printer)?;
    }
    let scope = Scope::open(scope, prefix, printer).await?;
    let source = text.examine(prefix, &scope.registry)?;
    source.require_valid(printer)?;
    Ok((scope, source))
}

pub(crate) fn writer(file: File, scope: &Scope, source: &Source) -> anyhow::Result<PlanWriter> {
    PlanWriter::new(file, &Purpose::new(&scope.registry, &source.prefix, source.configuration.allow_public))
}

/// Plans for every repository, prints it, and saves it where there is a writer.
pub(crate) async fn plan(
    scope: &Scope,
    wanted: Wanted<'_>,
    printer: &Printer,
    mut writer: Option<&mut PlanWriter>,
) -> anyhow::Result<Tally> {
    let mut differences = Differences::default();
    let mut list = printer.list("repositories");
    let tally = survey(scope, wanted, printer, |repository, planned| {
        if let (Ok(planned), Some(writer)) = (planned, &mut writer) {
            writer.add(planned)?;
        }
        list_one(&mut list, repository, planned, |planned| differences.text(planned))
    });
    let tally = tally.await?;
    list.end(|| tally.text(Tense::Planned, scope.names.len()), &Rest { summary: &tally })?;
    Ok(tally)
}

/// Plans for every repository.
pub(crate) async fn survey(
    scope: &Scope,
    wanted: Wanted<'_>,
    printer: &Printer,
    each: impl FnMut(&Repository, &Done) -> anyhow::Result<()>,
) -> anyhow::Result<Tally> {
    let work = async |target: Target| {
        let planned = scope.controller.plan(&target, wanted, scope.deadline()).await;
        (target.repository, planned.map_err(Absence::from))
    };
    tallied(scope.names.len(), scope.targets(), printer, scope.tally(), work, each).await
}

/// Lists a repository that there is something to tell of. Failures come in the end for people, at once for programs.
pub(crate) fn list_one(
    list: &mut List<'_>,
    repository: &Repository,
    done: &Done,
    text: impl FnOnce(&Planned) -> String,
) -> anyhow::Result<()> {
    match done {
        Ok(planned) if planned.outcome() == Outcome::Unchanged => Ok(()),
        Ok(planned) => list.item(|| text(planned), &Entry::of(planned)),
        Err(Absence::Gone) => Ok(()),
        Err(Absence::Failed(problem)) => list.json_item(&Entry::failed(repository.arn(), problem.clone())),
    }
}
