//! How the suffixes of a part are brought into order: by comparing them, or by libsais.

use super::buckets::Buckets;
use super::copies::Copies;
use super::induced::{Induced, Patience};
use super::part_text::PartText;
use super::passages::Passages;
use super::ranked::Ranked;
use super::suffix_order::SuffixOrder;
use crate::token::Token;

/// An order of the suffixes of a part that is found task by task.
pub(super) trait Ranking<T>: Send + Sync {
    /// What a thread keeps from task to task.
    type State<'a>
    where
        Self: 'a,
        T: 'a;

    /// Passes over the text; each is loaded before its tasks are done.
    fn num_passes(&self) -> usize;

    /// Gets ready for a pass, on the current thread pool. Returns `false` if sorting would take too long.
    fn load(&mut self, text: &PartText<T>, pass: usize) -> std::io::Result<bool>;

    /// Tasks of the pass that was loaded.
    fn num_tasks(&self) -> usize;

    fn state<'a>(&'a self, text: &'a PartText<T>) -> Self::State<'a>;

    /// Returns the ranks of a task, which follow those of the task before; `None` if that would take too long.
    fn ranked<'a>(
        &'a self,
        state: &mut Self::State<'a>,
        text: &'a PartText<T>,
        task: usize,
    ) -> Option<Ranked<T>>;
}

/// The order found by comparing suffixes.
pub(super) struct Compared<T> {
    copies: Copies,
    buckets: Buckets<T>,
    patience: Patience,
}

impl<T: Token> Compared<T> {
    /// Returns `None` if comparing would take too long.
    pub(super) fn new(text: &PartText<T>) -> std::io::Result<Option<Self>> {
        let (copies, kept) = Copies::find(text);
        let buckets = Buckets::plan(text, &kept)?;
        Ok(buckets.map(|buckets| Self {
            copies,
            buckets,
            patience: Patience::new(text.len()),
        }))
    }
}

impl<T: Token> Ranking<T> for Compared<T> {
    type State<'a> = SuffixOrder<'a, T>;

    fn num_passes(&self) -> usize {
        self.buckets.num_passes()
    }

    fn load(&mut self, text: &PartText<T>, pass: usize) -> std::io::Result<bool> {
        self.buckets.load(text, pass)
    }

    fn num_tasks(&self) -> usize {
        self.buckets.num_tasks()
    }

    fn state<'a>(&'a self, text: &'a PartText<T>) -> SuffixOrder<'a, T> {
        SuffixOrder::new(text, &self.copies, &self.patience)
    }

    fn ranked<'a>(
        &'a self,
        order: &mut SuffixOrder<'a, T>,
        text: &'a PartText<T>,
        task: usize,
    ) -> Option<Ranked<T>> {
        for (items, depth) in self.buckets.task(task) {
            order.sort(items, depth);
        }
        let mut ranked = order.take()?;
        ranked.mend_at_end(text);
        Some(ranked)
    }
}

impl<T: Token> Ranking<T> for Induced {
    type State<'a>
        = Passages<T>
    where
        T: 'a;

    fn num_passes(&self) -> usize {
        1
    }

    fn load(&mut self, _: &PartText<T>, _: usize) -> std::io::Result<bool> {
        Ok(true)
    }

    fn num_tasks(&self) -> usize {
        self.num_tasks()
    }

    fn state<'a>(&'a self, _: &'a PartText<T>) -> Passages<T> {
        Passages::new()
    }

    fn ranked<'a>(
        &'a self,
        passages: &mut Passages<T>,
        text: &'a PartText<T>,
        task: usize,
    ) -> Option<Ranked<T>> {
        Some(self.ranked(text, passages, task))
    }
}
