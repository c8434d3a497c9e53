//! Cutting the merge of runs into tasks that need nothing of one another: at suffixes drawn from the runs.

use std::ops::Range;

use super::run_file::RunFile;
use super::suffix_text::SuffixText;
use crate::address::to_usize;
use crate::error::EngineError;
use crate::token::Token;

/// Suffixes that are drawn for each cut.
const DRAWN_PER_CUT: usize = 4;

/// Returns about `num_tasks` times, in rank order, the range of records of each run: ranges of one task hold all suffixes between
/// two cuts.
///
/// Cost: a binary search in each run for each cut, of one record and one comparison in the text a step.
pub(crate) fn partition<T: Token>(
    runs: &[RunFile],
    text: &impl SuffixText<T>,
    num_tasks: usize,
) -> Result<Vec<Vec<Range<usize>>>, EngineError> {
    let cuts = cuts(runs, text, num_tasks)?;
    let mut starts: Vec<usize> = vec![0; runs.len()];
    let mut tasks = Vec::with_capacity(cuts.len() + 1);
    for cut in cuts {
        let ends = runs
            .iter()
            .zip(&starts)
            .map(|(run, &start)| lower_bound(run, start, text, cut))
            .collect::<Result<Vec<usize>, EngineError>>()?;
        tasks.push(ranges(&starts, &ends));
        starts = ends;
    }
    let ends: Vec<usize> = runs.iter().map(RunFile::len).collect();
    tasks.push(ranges(&starts, &ends));
    tasks.retain(|ranges| ranges.iter().any(|range| !range.is_empty()));
    Ok(tasks)
}

fn ranges(starts: &[usize], ends: &[usize]) -> Vec<Range<usize>> {
    starts.iter().zip(ends).map(|(&start, &end)| start..end).collect()
}

/// Returns the positions of suffixes that cut all of them into about equal shares, in order.
fn cuts<T: Token>(
    runs: &[RunFile],
    text: &impl SuffixText<T>,
    num_tasks: usize,
) -> Result<Vec<usize>, EngineError> {
    let num_records: usize = runs.iter().map(RunFile::len).sum();
    let step = (num_records / (num_tasks * DRAWN_PER_CUT)).max(1);
    let mut drawn = Vec::new();
    for run in runs {
        for record in (step / 2..run.len()).step_by(step) {
            drawn.push(to_usize(run.position(record)?));
        }
    }
    drawn.sort_unstable_by(|&one, &other| text.order(one, other));
    Ok(drawn
        .into_iter()
        .skip(DRAWN_PER_CUT)
        .step_by(DRAWN_PER_CUT)
        .collect())
}

/// Returns the first record, from one on, whose suffix is not before that at a position.
fn lower_bound<T: Token>(
    run: &RunFile,
    start: usize,
    text: &impl SuffixText<T>,
    position: usize,
) -> Result<usize, EngineError> {
    let (mut low, mut high) = (start, run.len());
    while low < high {
        let middle = low.midpoint(high);
        if text.order(to_usize(run.position(middle)?), position).is_lt() {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}
