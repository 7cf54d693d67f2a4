//! A transformer over the words of a text; a place after its end is an absent token.

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};
use dymo_core::Kind;

use crate::transformer::{Block, Hidden, read_first};

/// Every word becomes a token: the embedding of its symbol plus that of its place. A class token reads them through transformer
/// blocks in which empty places cannot be seen. Words that have no symbol are empty places, too.
#[derive(Module, Debug)]
pub struct WordEncoder {
    /// `[1, d]`.
    class: Param<Tensor<2>>,
    /// `[symbols, d]`.
    words: Param<Tensor<2>>,
    /// `[length, d]`.
    places: Param<Tensor<2>>,
    blocks: Vec<Block>,
    #[module(skip)]
    length: usize,
}

/// Spread of fresh embeddings, as usual for transformers.
const SPREAD: f64 = 0.02;
impl WordEncoder {
    pub(super) fn new(kind: &Kind, width: usize, heads: usize, blocks: usize, device: &Device) -> Self {
        let [length, _, symbols] = kind.shape();
        let normal = Initializer::Normal { mean: 0.0, std: SPREAD };
        Self {
            class: normal.init([1, width], device),
            // A word must not drown in the embedding of its place.
            words: Initializer::Normal { mean: 0.0, std: 1.0 / (width as f64).sqrt() }.init([symbols, width], device),
            places: normal.init([length, width], device),
            blocks: (0..blocks).map(|_| Block::new(width, heads, device)).collect(),
            length,
        }
    }

    /// `[B, length · symbols]`, one-hot → `[B, 1, d]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<3> {
        let ([batch, _], device) = (x.dims(), x.device());
        let [symbols, width] = self.words.dims();
        let flat = x.reshape([batch * self.length, symbols]);
        let there = flat.clone().sum_dim(1).reshape([batch, self.length]);
        let words =
            flat.matmul(self.words.val()).reshape([batch, self.length, width]) + self.places.val().unsqueeze_dim(0);
        let class = self.class.val().unsqueeze_dim::<3>(0).expand([batch, 1, width]);
        let seen = Tensor::<2>::zeros([batch, 1], &device).bool();
        let hidden = Hidden::new(Tensor::cat(vec![seen, there.lower_elem(0.5)], 1));
        read_first(&self.blocks, Tensor::cat(vec![class, words], 1), &hidden)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(encoder: &WordEncoder, text: &[Option<usize>]) -> Vec<f32> {
        let mut values = vec![0.0f32; 4 * 3];
        for (place, word) in text.iter().enumerate() {
            word.iter().for_each(|word| values[place * 3 + word] = 1.0);
        }
        let x = Tensor::<1>::from_floats(values.as_slice(), &Device::flex()).reshape([1, 12]);
        encoder.forward(x).into_data().try_to_vec::<f32>().expect("numbers")
    }

    /// Words and their order matter; how much room there is after the end does not.
    #[test]
    fn words_matter_and_empty_places_do_not() {
        let kind = Kind::Text { length: 4, symbols: 3, vocabulary: None };
        let mut encoder = WordEncoder::new(&kind, 8, 2, 2, &Device::flex());
        let base = read(&encoder, &[Some(0), Some(1)]);
        assert_eq!(base.len(), 8);
        assert_ne!(read(&encoder, &[Some(1), Some(0)]), base);
        assert_ne!(read(&encoder, &[Some(0), Some(2)]), base);
        assert!(read(&encoder, &[]).iter().all(|v| v.is_finite()), "a text without a word is read, too");
        // Another embedding of the places after the end changes nothing.
        let moved = Tensor::cat(vec![encoder.places.val().narrow(0, 0, 2), Tensor::ones([2, 8], &Device::flex())], 0);
        encoder.places = Param::from_tensor(moved);
        assert_eq!(read(&encoder, &[Some(0), Some(1)]), base);
    }
}
