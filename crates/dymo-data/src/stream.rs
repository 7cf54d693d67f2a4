//! Random draws that can be made in any order: each belongs to a seed, a purpose, a few small numbers and an item.
//!
//! Only ChaCha's key stream is taken from a library; the integers and orders made of it are defined here, so that a
//! data set made from a seed stays the same whatever later versions of that library do.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a draw is for. The numbers are part of the data: another number gives another data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Which of the test digits validate.
    Split = 1,
    /// The order of a class's digits in one modality.
    Digits = 2,
    /// Where a photograph is cut.
    Crop = 3,
    /// Which modalities are missing.
    Missing = 4,
    /// Which samples train, validate and test.
    Parts = 5,
    /// Which entries of a table are missing, and which modalities by a mechanism.
    Entries = 6,
    /// Which subject's labels a subject gets in a permutation test.
    Labels = 7,
}

/// A position in the key stream of one purpose.
#[derive(Debug, Clone)]
pub(crate) struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream of `seed` for a purpose; `place` tells apart streams of the same purpose.
    pub(crate) fn new(seed: u64, purpose: Purpose, place: [u8; 3]) -> Self {
        let mut key = *b"dymo data, seed 00000000 then 0s";
        key[24..].copy_from_slice(&seed.to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(u64::from_le_bytes([purpose as u8, place[0], place[1], place[2], 0, 0, 0, 0]));
        Self(rng)
    }

    /// The draws of one item, which may make up to `draws` of them. Does not depend on draws made before.
    pub(crate) fn item(&self, index: usize, draws: usize) -> Self {
        let mut rng = self.0.clone();
        // A draw is a u64: two 32-bit words.
        rng.set_word_pos(index as u128 * draws as u128 * 2);
        Self(rng)
    }

    /// A whole number in `0..n`, by multiplication (biased by less than n / 2⁶⁴). 0 when `n` is 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.0.next_u64()) * n as u128) >> 64) as usize
    }

    /// A number in `[0, 1)`, a multiple of 2⁻⁵³.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Puts `items` in a uniformly random order (Fisher-Yates, from the end).
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_does_not_depend_on_what_was_drawn_before() {
        let mut stream = Stream::new(5, Purpose::Crop, [1, 2, 0]);
        let fresh = stream.item(7, 2).below(1000);
        stream.below(10);
        assert_eq!(stream.item(7, 2).below(1000), fresh);
    }

    #[test]
    fn seed_purpose_place_and_item_each_matter() {
        let first = |seed, purpose, place, item| Stream::new(seed, purpose, place).item(item, 2).0.next_u64();
        let base = first(5, Purpose::Crop, [1, 2, 0], 3);
        assert_ne!(base, first(6, Purpose::Crop, [1, 2, 0], 3));
        assert_ne!(base, first(5, Purpose::Digits, [1, 2, 0], 3));
        assert_ne!(base, first(5, Purpose::Crop, [2, 1, 0], 3));
        assert_ne!(base, first(5, Purpose::Crop, [1, 2, 0], 4));
    }

    #[test]
    fn numbers_stay_in_range_and_orders_keep_all() {
        let mut stream = Stream::new(0, Purpose::Split, [0; 3]);
        assert!((0..1000).all(|_| stream.below(3) < 3 && (0.0..1.0).contains(&stream.unit())));
        assert_eq!(stream.below(0), 0);
        let mut order: Vec<usize> = (0..50).collect();
        stream.shuffle(&mut order);
        assert_ne!(order, (0..50).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn the_draws_of_a_seed_are_fixed_for_ever() {
        let mut stream = Stream::new(2025, Purpose::Missing, [0; 3]);
        let drawn: Vec<usize> = (0..6).map(|_| stream.below(1000)).collect();
        assert_eq!(drawn, FROM_SEED_2025);
    }

    const FROM_SEED_2025: [usize; 6] = [314, 968, 899, 382, 628, 115];
}
