//! Many repositories beside each other.

use std::{future::Future, sync::Arc};

use futures_util::{Stream, StreamExt, future::ready, stream::poll_fn};
use tokio::sync::Semaphore;

/// How many repositories are worked on at once. ECR answers in some ten milliseconds, so that is thousands a second;
/// how fast the calls really follow each other, ECR decides.
const AT_ONCE: usize = 40;

/// How far work may be ahead of one repository that takes long, so that memory does not grow with the registry.
const AHEAD: usize = 128;

/// Works on every item, on many at once, and gives the results in the order of the items.
///
/// No work begins any more once `stop` is there; what is under way comes to its end.
pub fn in_order<T, R, W: Future<Output = R>>(
    items: impl Stream<Item = T>,
    stop: impl Future,
    work: impl Fn(T) -> W,
) -> impl Stream<Item = R> {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let (at_items, at_work) = (Arc::clone(&turns), Arc::clone(&turns));
    let work = move |item| {
        let (turns, work) = (Arc::clone(&at_work), work(item));
        async move {
            let _turn = turns.acquire().await.ok()?;
            Some(work.await)
        }
    };
    let items = items.take_while(move |_| ready(!at_items.is_closed()));
    let mut results = Box::pin(items.map(work).buffered(AHEAD).filter_map(ready));
    let mut stop = Box::pin(stop);
    // Looked for beside the results, since work can wait for its turn long after the last item was taken.
    poll_fn(move |context| {
        if !turns.is_closed() && stop.as_mut().poll(context).is_ready() {
            turns.close();
        }
        results.as_mut().poll_next(context)
    })
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        future::{pending, ready},
        time::Duration,
    };

    use futures_util::stream;
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn results_come_in_the_order_of_the_items_however_long_each_takes() {
        let items = stream::iter(0..2_000_u64);
        let results = in_order(items, pending::<()>(), async |item| {
            sleep(Duration::from_millis(item * 7919 % 100)).await;
            item
        });
        assert_eq!(results.collect::<Vec<_>>().await, (0..2_000).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_so_many_are_worked_on_at_once() {
        let (now, most) = (Cell::new(0), Cell::new(0));
        let results = in_order(stream::iter(0..1_000), pending::<()>(), async |_| {
            now.set(now.get() + 1);
            most.set(most.get().max(now.get()));
            sleep(Duration::from_millis(10)).await;
            now.set(now.get() - 1);
        });
        assert_eq!(results.count().await, 1_000);
        assert_eq!(most.get(), AT_ONCE);
    }

    #[tokio::test(start_paused = true)]
    async fn once_it_is_stopped_nothing_begins_and_what_has_begun_ends() {
        let begun = Cell::new(0);
        let results = in_order(stream::iter(0..100_000), sleep(Duration::from_millis(95)), async |item| {
            begun.set(begun.get() + 1);
            sleep(Duration::from_millis(10)).await;
            item
        });
        let ended = results.collect::<Vec<_>>().await;
        assert_eq!(ended.len(), 10 * AT_ONCE);
        assert_eq!(begun.get(), ended.len());
        assert!(in_order(stream::iter([1]), ready(()), async |_| ()).collect::<Vec<_>>().await.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_its_turn_when_it_is_stopped_does_not_begin() {
        let items = stream::iter(0..AT_ONCE + 10);
        let results =
            in_order(items, sleep(Duration::from_millis(5)), async |_| sleep(Duration::from_millis(10)).await);
        assert_eq!(results.count().await, AT_ONCE);
    }
}
