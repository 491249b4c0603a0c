//! Changing policies: at once where the user said so, else after a look at the plan.

use std::{io::IsTerminal, ops::ControlFlow};

use ecr_autopolicy::{
    controller::{Planned, Target, Wanted},
    policy::{document::Document, sameness},
    reconcile::{Plan, Reason},
    repository::Repository,
};

use crate::{
    confirm::confirm,
    diff,
    exit::Exit,
    plan::{list_one, plan, writer},
    printer::{Printer, count},
    saved::SavedPlan,
    scope::Scope,
    source::Source,
    sweep::{Done, tallied},
    swept::Rest,
    tally::{Absence, Problem, Tally, Tense},
};

/// Fails where nobody can be asked, and the user has not agreed beforehand.
pub(crate) fn require_consent(yes: bool, command: &str, printer: &Printer) -> anyhow::Result<()> {
    // A program that reads the result as JSON gets one object, and has no plan to look at before.
    let can_ask = std::io::stdin().is_terminal() && std::io::stderr().is_terminal() && !printer.is_json();
    anyhow::ensure!(yes || can_ask, "`{command}` changes what AWS holds; pass `--yes` where nobody can be asked");
    Ok(())
}

/// Brings the repositories in line with the source.
pub(crate) async fn change(scope: &Scope, source: &Source, yes: bool, printer: &Printer) -> anyhow::Result<Exit> {
    if yes {
        let tally = carry_out(scope, source.wanted(), printer).await?;
        return Ok(tally.exit());
    }
    // What is carried out is what was shown, so the plan is kept while the user thinks.
    let mut writer = writer(tempfile::tempfile()?, scope, source)?;
    let tally = plan(scope, source.wanted(), printer, Some(&mut writer)).await?;
    if tally.changes() == 0 || tally.interrupted {
        return Ok(tally.exit());
    }
    let saved = SavedPlan::read(writer.end()?)?;
    let question = format!("Change {} of {}?", count(tally.changes(), "repository"), scope.place());
    if let ControlFlow::Break(exit) = confirm(&question).await? {
        printer.note("nothing was changed");
        return Ok(exit);
    }
    let failed_before = tally.exit();
    let tally = carry_out_saved(scope, &saved, printer).await?;
    Ok(if tally.exit() == Exit::Success { failed_before } else { tally.exit() })
}

/// Plans for each repository, and does it at once.
async fn carry_out(scope: &Scope, wanted: Wanted<'_>, printer: &Printer) -> anyhow::Result<Tally> {
    let work = async |target: Target| {
        let settled = scope.controller.settle(&target, wanted, scope.deadline()).await;
        (target.repository, settled.map_err(Absence::from))
    };
    report(scope.names.len(), scope.targets(), printer, scope.tally(), work).await
}

/// Does what a saved plan says, for each repository whose policy is still the one that the plan was made for.
pub(crate) async fn carry_out_saved(scope: &Scope, saved: &SavedPlan, printer: &Printer) -> anyhow::Result<Tally> {
    let work = async |planned: Planned| {
        let repository = planned.repository.clone();
        let deadline = scope.deadline();
        let done = async {
            let current = scope.controller.current(&repository, deadline).await?;
            let planned = match still_to_do(planned, current.as_ref()) {
                Some(planned) => planned,
                None => return Err(Absence::Failed(changed_since())),
            };
            scope.controller.carry_out(&planned, deadline).await?;
            Ok(planned)
        };
        let done = done.await;
        (repository, done)
    };
    report(saved.changes, saved.planned()?, printer, Tally::default(), work).await
}

/// What is left to do of a saved plan; nothing where somebody else changed the policy meanwhile.
fn still_to_do(planned: Planned, current: Option<&Document>) -> Option<Planned> {
    let same = |one: Option<&Document>| match (one, current) {
        (Some(one), Some(current)) => one.id == current.id && sameness::same(one, current),
        (one, current) => one.is_none() && current.is_none(),
    };
    let done = match &planned.plan {
        Plan::Set(document) => same(Some(document)),
        Plan::Delete => current.is_none(),
        Plan::Leave(_) => true,
    };
    if done {
        return Some(Planned { plan: Plan::Leave(Reason::Same), ..planned });
    }
    same(planned.current.as_ref()).then_some(planned)
}

fn changed_since() -> Problem {
    Problem { label: "PolicyChanged", message: "its policy has changed since the plan was made; plan again".to_owned() }
}

/// Works on every item, and reports what was changed.
async fn report<T>(
    total: usize,
    items: impl Iterator<Item = anyhow::Result<T>>,
    printer: &Printer,
    tally: Tally,
    work: impl AsyncFn(T) -> (Repository, Done),
) -> anyhow::Result<Tally> {
    let mut list = printer.list("repositories");
    let tally = tallied(total, items, printer, tally, work, |repository, done| {
        list_one(&mut list, repository, done, |planned| diff::heading(planned, Tense::Done))
    });
    let tally = tally.await?;
    list.end(|| tally.text(Tense::Done, total), &Rest { summary: &tally })?;
    Ok(tally)
}
