//! Every repository of a registry: spread over the work queue, or worked on in place.

use std::{
    future::pending,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::{StreamExt, pin_mut, stream};

use super::{
    Function,
    answer::EventAnswer,
    event::{Part, Sweep},
    journal::Entry,
};
use crate::{
    aws::{Deadline, Page, Unlisted, WorkQueue, timed},
    controller::{Outcome, Report, Target, Wanted, reported},
    error::Error,
    repository::{Registry, Repository},
    sweep::in_order,
};

/// Repositories in one message: few enough that one invocation brings them in line within its time.
const IN_A_MESSAGE: usize = 25;

/// A repository that failed in company is tried again alone, after this.
const BEFORE_ANOTHER_TRY: Duration = Duration::from_secs(30);

/// What is left of the invocation's time when the rest of a list is handed to the next invocation.
const LEFT_FOR_THE_END: u32 = 3;

/// The longest that SQS keeps a message back.
const LONGEST_DELAY: Duration = Duration::from_secs(900);

/// Failures that are named.
const NAMED: usize = 20;

/// Where a list begins, or goes on.
#[derive(Debug)]
struct Place {
    token: Option<String>,
    /// Whether it was begun anew, since ECR did not know an earlier token.
    anew: bool,
}

/// What came of many repositories.
#[derive(Debug, Default)]
struct Swept {
    changed: Vec<Report>,
    unchanged: usize,
    failed: Vec<(Repository, Error)>,
}

impl Function {
    /// Brings the repositories in line, or has the work queue see to it.
    pub(super) async fn sweep(&self, sweep: Sweep, entry: Entry<'_>, deadline: Deadline) -> Result<EventAnswer, Error> {
        let Sweep { registry, since, part, scheduled } = sweep;
        let since = since.unwrap_or_else(now);
        // Nothing is listed, and nothing put on the queue, for a configuration that cannot be used.
        let configuration = self.parameter.configuration_since(&registry, time(since), deadline).await?;
        let wanted = Wanted { configuration: &configuration, name: self.parameter.name() };
        let from = match part {
            Part::Repositories(repositories) => {
                // What fails has to be handed on, and that takes time, too.
                let work = deadline.within(deadline.left() * 4 / 5);
                // A repository that fails alone fails its message; one that fails beside others gets a message of its own,
                // so that in the end the failure queue names those that failed and no others.
                let hand_on = self.queue.as_ref().filter(|_| repositories.len() > 1);
                let swept =
                    self.bring_all_in_line(repositories, wanted, scheduled, hand_on.is_some(), entry, work).await;
                return match hand_on {
                    Some(queue) => swept.hand_on_failures(queue, since, scheduled, deadline).await,
                    None => swept.answer(),
                };
            }
            Part::All => Place { token: None, anew: false },
            Part::From { token, anew } => Place { token: Some(token), anew },
        };
        match &self.queue {
            Some(queue) => {
                let sweep_of = |part| Sweep { registry: registry.clone(), since: Some(since), part, scheduled };
                self.spread(queue, &registry, from, sweep_of, entry, deadline).await
            }
            None => {
                let repositories = self.list(&registry, from, entry, deadline).await?;
                let swept = self.bring_all_in_line(repositories, wanted, scheduled, false, entry, deadline).await;
                swept.answer()
            }
        }
    }

    /// Puts the registry's repositories on the queue. Where the time does not suffice, a last message goes on with the
    /// list.
    async fn spread(
        &self,
        queue: &WorkQueue,
        registry: &Registry,
        from: Place,
        sweep_of: impl Fn(Part) -> Sweep,
        entry: Entry<'_>,
        deadline: Deadline,
    ) -> Result<EventAnswer, Error> {
        let until = deadline.left() / LEFT_FOR_THE_END;
        let mut queued = 0;
        let (mut page, anew) = self.first_page(registry, from, entry, deadline).await?;
        let next = loop {
            let repositories = named(registry, &page, entry);
            queued += repositories.len();
            let message =
                |repositories: &[Repository]| sweep_of(Part::Repositories(repositories.to_vec())).to_message();
            let messages: Vec<_> = repositories.chunks(IN_A_MESSAGE).map(message).collect();
            queue.send(&messages, Duration::ZERO, deadline).await?;
            let Some(token) = page.next else { break None };
            if deadline.left() < until {
                let rest = sweep_of(Part::From { token: token.clone(), anew });
                queue.send(&[rest.to_message()], Duration::ZERO, deadline).await?;
                break Some(token);
            }
            page = self.page(registry, Some(&token), deadline).await?;
        };
        entry.spread(registry, queued, next.is_some());
        Ok(EventAnswer { queued: Some(queued), ..EventAnswer::default() })
    }

    async fn list(
        &self,
        registry: &Registry,
        from: Place,
        entry: Entry<'_>,
        deadline: Deadline,
    ) -> Result<Vec<Repository>, Error> {
        let (mut page, _) = self.first_page(registry, from, entry, deadline).await?;
        let mut repositories = named(registry, &page, entry);
        while let Some(token) = page.next {
            page = self.page(registry, Some(&token), deadline).await?;
            repositories.extend(named(registry, &page, entry));
        }
        Ok(repositories)
    }

    /// The page that the list goes on with. A message can wait for longer than ECR knows its token: then the list begins
    /// anew, once for each sweep, so that it comes to an end even where ECR knows none.
    async fn first_page(
        &self,
        registry: &Registry,
        from: Place,
        entry: Entry<'_>,
        deadline: Deadline,
    ) -> Result<(Page, bool), Error> {
        let Place { token, anew } = from;
        match self.page(registry, token.as_deref(), deadline).await {
            Err(Unlisted::TokenUnknown(error)) if !anew => {
                entry.begun_anew(registry, &error);
                Ok((self.page(registry, None, deadline).await?, true))
            }
            page => Ok((page?, anew)),
        }
    }

    async fn page(&self, registry: &Registry, next: Option<&str>, deadline: Deadline) -> Result<Page, Unlisted> {
        self.controller.registry().page(registry.region(), Some(registry.id()), next, deadline).await
    }

    /// A warm process may go by the configuration that it remembers until that is too old, and give a new repository the
    /// old policy: so after that time there is another look at all of them.
    pub(super) async fn look_again(&self, sweep: &Sweep, deadline: Deadline) -> Result<(), Error> {
        let delay = self.parameter.keep().min(LONGEST_DELAY);
        match &self.queue {
            Some(queue) if !delay.is_zero() => queue.send(&[sweep.to_message()], delay, deadline).await,
            _ => Ok(()),
        }
    }

    async fn bring_all_in_line(
        &self,
        repositories: Vec<Repository>,
        wanted: Wanted<'_>,
        scheduled: bool,
        tried_again: bool,
        entry: Entry<'_>,
        deadline: Deadline,
    ) -> Swept {
        let results = in_order(stream::iter(repositories), pending::<()>(), async |repository: Repository| {
            let target = Target { repository, tags: None };
            let (settled, calls) = timed(self.controller.settle(&target, wanted, deadline)).await;
            let settled = reported(&target.repository, settled);
            match &settled {
                Err(error) if tried_again => entry.put_off(&target.repository, error, &calls),
                _ => entry.swept(scheduled, &target.repository, &settled, &calls),
            }
            (target.repository, settled)
        });
        pin_mut!(results);
        let mut swept = Swept::default();
        while let Some((repository, settled)) = results.next().await {
            match settled {
                Ok(report) if report.outcome == Outcome::Unchanged => swept.unchanged += 1,
                Ok(report) => swept.changed.push(report),
                Err(error) => swept.failed.push((repository, error)),
            }
        }
        swept
    }
}

/// The repositories of a page. One whose name cannot be one stands in no other's way.
fn named(registry: &Registry, page: &Page, entry: Entry<'_>) -> Vec<Repository> {
    let repository = |name: &String| {
        let repository = Repository::new(registry.clone(), name);
        repository.map_err(|error| entry.failed(&Error::InvalidEvent(error.to_string()))).ok()
    };
    page.names.iter().filter_map(repository).collect()
}

impl Swept {
    /// Each repository that failed is tried again alone.
    async fn hand_on_failures(
        mut self,
        queue: &WorkQueue,
        since: u64,
        scheduled: bool,
        deadline: Deadline,
    ) -> Result<EventAnswer, Error> {
        let message = |(repository, _): &(Repository, Error)| {
            let part = Part::Repositories(vec![repository.clone()]);
            let registry = repository.registry().clone();
            Sweep { registry, since: Some(since), part, scheduled }.to_message()
        };
        let messages: Vec<_> = self.failed.iter().map(message).collect();
        queue.send(&messages, BEFORE_ANOTHER_TRY, deadline).await?;
        self.failed.clear();
        self.answer()
    }

    fn answer(self) -> Result<EventAnswer, Error> {
        let Self { changed, unchanged, failed } = self;
        let names = failed.iter().take(NAMED).map(|(repository, _)| repository.arn()).collect();
        match (failed.len(), failed.into_iter().next()) {
            (number, Some((_, first))) => Err(Error::Several { number, names, first: Box::new(first) }),
            (_, None) => Ok(EventAnswer { outcomes: changed, unchanged: Some(unchanged), ..EventAnswer::default() }),
        }
    }
}

/// Milliseconds since the Unix epoch.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn time(since: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(since)
}
