//! Work on many repositories: beside each other, with progress, and until the user interrupts it.

use std::{pin::pin, time::Duration};

use ecr_autopolicy::{controller::Planned, repository::Repository, sweep::in_order};
use futures_util::{StreamExt, stream};
use tokio::{select, signal::ctrl_c, time::sleep};

use crate::{
    printer::Printer,
    tally::{Absence, Tally},
};

/// How long work that is under way may go on after an interruption.
const GRACE: Duration = Duration::from_secs(10);

/// What became of it as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Course {
    /// Everything was worked on.
    Complete,
    /// The user interrupted it.
    Interrupted,
}

/// Works on `total` items, and hands the results over in their order.
pub(crate) async fn sweep<T, R>(
    total: usize,
    items: impl IntoIterator<Item = anyhow::Result<T>>,
    printer: &Printer,
    work: impl AsyncFn(T) -> R,
    mut each: impl FnMut(R) -> anyhow::Result<()>,
) -> anyhow::Result<Course> {
    printer.start_progress(total);
    let work = &work;
    let work = async |item: anyhow::Result<T>| anyhow::Ok(work(item?).await);
    let mut results = pin!(in_order(stream::iter(items), ctrl_c(), work));
    let mut leave = pin!(after_interruption(printer));
    let mut done = 0;
    let course = loop {
        let result = select! {
            biased;
            result = results.next() => result,
            () = &mut leave => break Ok(Course::Interrupted),
        };
        match result {
            Some(result) => {
                done += 1;
                printer.progress();
                if let Err(error) = result.and_then(&mut each) {
                    break Err(error);
                }
            }
            None if done < total => break Ok(Course::Interrupted),
            None => break Ok(Course::Complete),
        }
    };
    printer.end_progress();
    course
}

/// What is planned, or was done, for one repository.
pub(crate) type Done = Result<Planned, Absence>;

/// The same for repositories, whose outcomes are counted too, on from a tally.
pub(crate) async fn tallied<T>(
    total: usize,
    items: impl IntoIterator<Item = anyhow::Result<T>>,
    printer: &Printer,
    mut tally: Tally,
    work: impl AsyncFn(T) -> (Repository, Done),
    mut each: impl FnMut(&Repository, &Done) -> anyhow::Result<()>,
) -> anyhow::Result<Tally> {
    let course = sweep(total, items, printer, work, |(repository, done)| {
        match &done {
            Ok(planned) => tally.add(planned.outcome()),
            Err(absence) => tally.add_absence(repository.name(), absence),
        }
        each(&repository, &done)
    });
    let course = course.await?;
    tally.end(course);
    Ok(tally)
}

/// Comes after a second interruption, or a while after the first.
async fn after_interruption(printer: &Printer) {
    let _ = ctrl_c().await;
    printer.note("interrupted; what is under way comes to its end, press Ctrl-C again to leave it");
    select! {
        _ = ctrl_c() => {}
        () = sleep(GRACE) => {}
    }
}
