//! Work on many threads whose results are taken in order, few of them waiting at a time.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Results that may wait, for each thread.
const WAITING_PER_THREAD: usize = 4;

struct Line<R> {
    /// The next task that a thread takes.
    next: usize,
    /// Results that were consumed.
    consumed: usize,
    done: BTreeMap<usize, R>,
    stopped: bool,
}

/// Does tasks `0..num_tasks` on threads of their own, each with a state of its own, and gives their results to `consume` in order,
/// on the calling thread. If that fails, no further task is begun, and its error is returned.
pub(crate) fn in_order<S, R: Send, E>(
    num_tasks: usize,
    num_threads: usize,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize) -> R + Sync,
    mut consume: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    let line = Mutex::new(Line {
        next: 0,
        consumed: 0,
        done: BTreeMap::new(),
        stopped: false,
    });
    let changed = Condvar::new();
    let most_waiting = num_threads * WAITING_PER_THREAD;
    thread::scope(|scope| {
        // Ends the threads however this closure is left.
        let stop = Stop {
            line: &line,
            changed: &changed,
        };
        for _ in 0..num_threads.min(num_tasks) {
            let spawned = thread::Builder::new().spawn_scoped(scope, || {
                let stop = Stop {
                    line: &line,
                    changed: &changed,
                };
                let mut state = state();
                loop {
                    let mut waiting = lock(&line);
                    while !waiting.stopped
                        && waiting.next < num_tasks
                        && waiting.next >= waiting.consumed + most_waiting
                    {
                        waiting = changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                    }
                    if waiting.stopped || waiting.next >= num_tasks {
                        break;
                    }
                    let task = waiting.next;
                    waiting.next += 1;
                    drop(waiting);
                    let result = work(&mut state, task);
                    lock(&line).done.insert(task, result);
                    changed.notify_all();
                }
                std::mem::forget(stop);
            });
            spawned.expect("the system has threads to give");
        }
        for task in 0..num_tasks {
            let mut waiting = lock(&line);
            let result = loop {
                if let Some(result) = waiting.done.remove(&task) {
                    break result;
                }
                if waiting.stopped {
                    // A thread panicked; leaving the scope panics as well.
                    return Ok(());
                }
                waiting = changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            };
            drop(waiting);
            consume(result)?;
            lock(&line).consumed = task + 1;
            changed.notify_all();
        }
        drop(stop);
        Ok(())
    })
}

struct Stop<'a, R> {
    line: &'a Mutex<Line<R>>,
    changed: &'a Condvar,
}

impl<R> Drop for Stop<'_, R> {
    fn drop(&mut self) {
        lock(self.line).stopped = true;
        self.changed.notify_all();
    }
}

fn lock<R>(line: &Mutex<Line<R>>) -> MutexGuard<'_, Line<R>> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}
