//! Which of many things a check looks at: all, or a share of them that a seed decides.

/// A share of things to look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    share: f64,
    seed: u64,
}

impl Sample {
    pub(crate) fn new(share: f64, seed: u64) -> Self {
        Self { share, seed }
    }

    pub(crate) fn is_everything(self) -> bool {
        self.share >= 1.0
    }

    /// Returns how many of `total` things are looked at: at least one, if there is one.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a number, to about 15 digits"
    )]
    pub(crate) fn size(self, total: usize) -> usize {
        if self.is_everything() {
            return total;
        }
        let some = (total as f64 * self.share).ceil() as usize;
        some.clamp(total.min(1), total)
    }

    /// Returns the indexes of the things that are looked at, ascending. `kind` gives each kind a choice of its own.
    ///
    /// One is drawn from each of as many equal parts of all: the choice has no gaps, and any one thing the same chance.
    pub(crate) fn pick(self, total: usize, kind: &str) -> Vec<usize> {
        self.pick_at_most(total, kind, total)
    }

    /// As [`Self::pick`], of at most `most` things.
    pub(crate) fn pick_at_most(self, total: usize, kind: &str, most: usize) -> Vec<usize> {
        let size = self.size(total).min(most);
        if size == total {
            return (0..total).collect();
        }
        let salt = kind
            .bytes()
            .fold(self.seed, |salt, byte| mixed(salt ^ u64::from(byte)));
        let part_start = |part: usize| {
            let start = part as u128 * total as u128 / size as u128;
            usize::try_from(start).expect("at most the total")
        };
        let pick = |part: usize| {
            let (start, end) = (part_start(part), part_start(part + 1));
            // The highest bits of a product with the width: as good as even, for widths far below 2^64.
            let drawn = (u128::from(mixed(salt ^ mixed(part as u64))) * (end - start) as u128) >> 64;
            start + usize::try_from(drawn).expect("below the width of the part")
        };
        (0..size).map(pick).collect()
    }
}

/// Returns a number that looks random (the finalizer of splitmix64): a different one for every number.
pub(crate) const fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::Sample;

    #[test]
    fn a_sample_verify_draws_is_of_the_asked_size_ascending_and_the_same_again() {
        for (total, share, expected) in [
            (1000, 0.01, 10),
            (7, 0.5, 4),
            (5, 1e-9, 1),
            (0, 0.5, 0),
            (3, 1.0, 3),
        ] {
            let picked = Sample::new(share, 7).pick(total, "ranks");
            assert_eq!(picked.len(), expected, "{total} {share}");
            assert!(picked.windows(2).all(|pair| pair[0] < pair[1]));
            assert!(picked.iter().all(|&index| index < total));
            assert_eq!(picked, Sample::new(share, 7).pick(total, "ranks"));
        }
    }

    #[test]
    fn other_seeds_and_kinds_verify_other_things_and_each_has_its_chance() {
        let pick = |seed, kind| Sample::new(0.1, seed).pick(1000, kind);
        assert_ne!(pick(1, "ranks"), pick(2, "ranks"));
        assert_ne!(pick(1, "ranks"), pick(1, "documents"));
        let mut seen = [0; 20];
        for seed in 0..2000 {
            for index in Sample::new(0.1, seed).pick(20, "ranks") {
                seen[index] += 1;
            }
        }
        assert!(seen.iter().all(|&times| (140..260).contains(&times)), "{seen:?}");
    }
}
