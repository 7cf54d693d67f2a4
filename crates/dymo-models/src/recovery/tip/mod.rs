//! TIP: tables from pictures and what is known of tables (Du, Zheng, Wang, Bai, O'Regan, Qin; ECCV 2024, arXiv 2407.07582; details,
//! section 7).
//!
//! Columns are tokens; those of missing cells are a mask token that no other column sees. They then ask the tokens of the pictures by
//! cross-attention, and two heads read a number or a category off each column's token. Pre-training has three parts: hidden cells are
//! reconstructed, tables and pictures of the same sample are told from others by their embeddings (contrast), and by a head on the class
//! token (matching), against pairs that the embeddings take for likely.
//!
//! Differences from the published model: a category is the likeliest *of its column* (published: of all columns, then cut off); a column
//! of numbers has a direction of its own; cross-attention stands in front of self-attention in a block, so that the rest of it is the
//! fusion network's block; pictures are not augmented; in a share of the samples the whole table is hidden, because a whole table is what
//! goes missing here. All tables' columns are read together, and any number of pictures and volumes.

mod batch;
mod loss;
mod parts;
#[cfg(test)]
mod tests;

use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use dymo_core::{Kind, ModalitySet};
use serde::{Deserialize, Serialize};

use self::parts::{Head, JointBlock, TableEncoder};
use super::table::TableColumns;
use super::{Observed, Recovery, RecoveryError, RecoveryLayoutError, check_inputs};
use crate::encoder::{Encoder, EncoderSettings};
use crate::flat::{Cells, Features};
use crate::layers::normalise;

pub use batch::TipBatch;
pub use loss::TipLoss;

const NAME: &str = "TIP";

/// Shape of a TIP and the way it is pre-trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TipSettings {
    /// Width of a token; 512 as published.
    pub width: usize,
    /// Attention heads; 8 as published.
    pub heads: usize,
    /// Transformer blocks over the columns alone; 4 as published.
    pub table_blocks: usize,
    /// Blocks in which columns see the pictures; 4 as published.
    pub joint_blocks: usize,
    /// Filters of the convolutions that read a picture; a ResNet-50 as published.
    pub widths: Vec<usize>,
    /// Width of the embeddings that are contrasted; 128 as published.
    pub projection: usize,
    /// Temperature of the contrast.
    pub temperature: f64,
    /// Share of a sample's cells that are hidden, to be reconstructed.
    pub hidden: f64,
    /// Share of the samples of which every cell is hidden; 0 as published.
    pub whole: f64,
    /// Share of a sample's cells that are another sample's in the view that is contrasted.
    pub corrupted: f64,
}

impl Default for TipSettings {
    fn default() -> Self {
        Self {
            width: 64,
            heads: 4,
            table_blocks: 2,
            joint_blocks: 2,
            widths: vec![32, 64, 128],
            projection: 64,
            temperature: 0.1,
            hidden: 0.5,
            whole: 0.25,
            corrupted: 0.3,
        }
    }
}

impl TipSettings {
    /// A model with fresh weights.
    ///
    /// # Errors
    /// Without a table, or without a picture or volume; if a picture is too small, an extent is zero, or heads do not divide the width.
    pub fn init(&self, kinds: &[Kind], device: &Device) -> Result<Tip, RecoveryLayoutError> {
        self.check(kinds)?;
        let no_table = RecoveryLayoutError::NoTable { model: NAME };
        let joined = TableColumns::joined(kinds).ok_or(no_table.clone())?;
        let cells = Cells::of(&joined).ok_or(no_table)?;
        let (width, categories) = (self.width, cells.categories.iter().map(|(_, k)| k).sum::<usize>());
        let linear = |outputs: usize| (outputs > 0).then(|| LinearConfig::new(width, outputs).init(device));
        Ok(Tip {
            number: linear(cells.numbers.len().min(1)),
            category: linear(categories),
            table: TableEncoder::new(cells, width, self.heads, self.table_blocks, device),
            pictures: pictures(kinds).iter().map(|m| self.reader().init(&kinds[m], device)).collect(),
            picture_norm: LayerNormConfig::new(width).init(device),
            joint: (0..self.joint_blocks).map(|_| JointBlock::new(width, self.heads, device)).collect(),
            norm: LayerNormConfig::new(width).init(device),
            matching: LinearConfig::new(width, 2).init(device),
            table_head: Head::new(width, self.projection, device),
            picture_head: Head::new(width, self.projection, device),
        })
    }

    /// Checks everything that [`Self::init`] can refuse.
    ///
    /// # Errors
    /// As there.
    pub fn check(&self, kinds: &[Kind]) -> Result<(), RecoveryLayoutError> {
        let extents = [
            ("width", self.width),
            ("heads", self.heads),
            ("joint_blocks", self.joint_blocks),
            ("projection", self.projection),
        ];
        if let Some((field, _)) = extents.into_iter().find(|(_, extent)| *extent == 0) {
            return Err(RecoveryLayoutError::Zero { field });
        }
        if !self.width.is_multiple_of(self.heads) {
            return Err(RecoveryLayoutError::Heads { width: self.width, heads: self.heads });
        }
        if TableColumns::of(kinds).is_none() {
            return Err(RecoveryLayoutError::NoTable { model: NAME });
        }
        let pictures = pictures(kinds);
        if pictures.is_empty() {
            return Err(RecoveryLayoutError::NoPicture { model: NAME });
        }
        match pictures.iter().find(|m| !self.reader().fits(&kinds[*m])) {
            Some(modality) => {
                Err(RecoveryLayoutError::NoToken { model: NAME, modality, shape: kinds[modality].shape() })
            }
            None => Ok(()),
        }
    }

    /// What reads a picture.
    fn reader(&self) -> EncoderSettings {
        EncoderSettings::Convolutional { widths: self.widths.clone(), token_width: self.width }
    }
}

/// The pictures and volumes.
fn pictures(kinds: &[Kind]) -> ModalitySet {
    (0..kinds.len()).filter(|m| kinds[*m].is_pictorial()).collect()
}

/// The model.
#[derive(Module, Debug)]
pub struct Tip {
    table: TableEncoder,
    /// One for each picture or volume, ascending.
    pictures: Vec<Encoder>,
    picture_norm: LayerNorm,
    joint: Vec<JointBlock>,
    norm: LayerNorm,
    /// A column's token to its number.
    number: Option<Linear>,
    /// A column's token to the categories of all columns, of which it reads its own.
    category: Option<Linear>,
    matching: Linear,
    table_head: Head,
    picture_head: Head,
}

impl Tip {
    /// Tokens of some pictures, `places` among all of them with their values `[B, values]` → `[B, T, d]`.
    fn picture_tokens(&self, pictures: &[(usize, Tensor<2>)]) -> Tensor<3> {
        let tokens = pictures.iter().map(|(place, x)| self.pictures[*place].forward(x.clone()));
        normalise(&self.picture_norm, Tensor::cat(tokens.collect(), 1))
    }

    /// Table tokens `[B, 1 + columns, d]` that have seen the pictures' `[B, T, d]`.
    fn join(&self, table: Tensor<3>, pictures: Tensor<3>) -> Tensor<3> {
        let seen = self.joint.iter().fold(table, |tokens, block| block.forward(tokens, pictures.clone()));
        normalise(&self.norm, seen)
    }

    /// What the columns' tokens say: `[B, 1 + columns, d]` → numbers, then scores of the categories of each column, `[B, R]`.
    fn read(&self, tokens: Tensor<3>) -> Tensor<2> {
        let batch = tokens.dims()[0];
        let cells = self.table.cells();
        let numbers = cells.numbers.len();
        let mut parts = Vec::new();
        if let Some(head) = &self.number {
            parts.push(head.forward(tokens.clone().narrow(1, 1, numbers)).reshape([batch, numbers]));
        }
        if let Some(head) = &self.category {
            let scores = head.forward(tokens.narrow(1, 1 + numbers, cells.categories.len()));
            let mut start = 0;
            for (column, (_, k)) in cells.categories.iter().enumerate() {
                parts.push(scores.clone().narrow(1, column, 1).narrow(2, start, *k).reshape([batch, *k]));
                start += k;
            }
        }
        Tensor::cat(parts, 1)
    }

    /// Numbers and scores of categories of every column, from the columns `x [B, columns]` that are known (NaN elsewhere) and pictures,
    /// `[B, values]` each with its place among all of them.
    pub fn reconstruct(&self, x: Tensor<2>, pictures: &[(usize, Tensor<2>)]) -> Tensor<2> {
        self.read(self.join(self.table.forward(x), self.picture_tokens(pictures)))
    }
}

/// A trained TIP as recovery model: it recovers tables, wherever a picture or volume is observed. It does not draw.
#[derive(Debug)]
pub struct TipRecovery {
    model: Tip,
    columns: TableColumns,
    features: Features,
    pictures: ModalitySet,
}

impl TipRecovery {
    /// The model was made for these modalities.
    ///
    /// # Errors
    /// [`RecoveryLayoutError::NoTable`] where there is none.
    pub fn new(model: Tip, kinds: &[Kind]) -> Result<Self, RecoveryLayoutError> {
        let no_table = || RecoveryLayoutError::NoTable { model: NAME };
        let columns = TableColumns::of(kinds).ok_or_else(no_table)?;
        let features = Features::of(&TableColumns::joined(kinds).ok_or_else(no_table)?);
        Ok(Self { model, columns, features, pictures: pictures(kinds) })
    }
}

impl Recovery for TipRecovery {
    fn name(&self) -> &'static str {
        "tip"
    }

    fn recover(&self, observed: &Observed, wanted: ModalitySet) -> Result<Vec<Tensor<2>>, RecoveryError> {
        check_inputs(observed)?;
        let refused = |modality| RecoveryError::NotRecoverable { model: NAME, modality, present: observed.present };
        let shown = observed.present.iter().zip(&observed.inputs).filter_map(|(m, x)| {
            let place = self.pictures.iter().position(|picture| picture == m)?;
            Some((place, x.clone()))
        });
        let shown: Vec<(usize, Tensor<2>)> = shown.collect();
        if let (true, Some(modality)) = (shown.is_empty(), wanted.iter().next()) {
            return Err(refused(modality));
        }
        let outputs = self.model.reconstruct(self.columns.join(observed), &shown);
        let all = self.features.values(outputs);
        wanted.iter().map(|m| self.columns.cut(&all, m).ok_or_else(|| refused(m))).collect()
    }

    fn recoverable(&self, present: ModalitySet, modalities: usize) -> ModalitySet {
        if present.intersection(self.pictures).is_empty() {
            return ModalitySet::EMPTY;
        }
        present.complement(modalities).intersection(self.columns.modalities())
    }
}
