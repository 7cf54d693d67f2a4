//! One sample of three modalities, two of them missing: what the engine computes for it, and what it does not.

use burn::tensor::{Device, Tensor};
use dymo_core::{Kind, ModalitySet};
use dymo_models::encoder::EncoderSettings;
use dymo_models::engine::{Inputs, Session};
use dymo_models::fusion::{EmbeddingRows, FeatureScale, FusionLayout, FusionTable, Input};
use dymo_models::recovery::{GuidedRecovery, GuidedSettings};

const KIND: Kind = Kind::Image { height: 28, width: 28, channels: 1 };

/// Every observed picture is grey.
struct Grey;

impl Inputs for Grey {
    fn read(&self, _modality: usize, samples: &[usize]) -> Result<Tensor<2>, String> {
        Ok(Tensor::full([samples.len(), KIND.values()], 0.5, &Device::flex()))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::flex();
    let encoder = EncoderSettings::Convolutional { widths: vec![8, 16, 16], token_width: 16 };
    let layout = FusionLayout::try_from(FusionTable {
        inputs: vec![Input { kind: KIND, encoder }; 3],
        width: 32,
        heads: 4,
        blocks: 2,
        feature_width: 16,
        classes: 10,
        scale: FeatureScale::Unit,
        embedding_rows: EmbeddingRows::OnePerModality,
    })?;
    let network = layout.init(&device);
    let settings = GuidedSettings { widths: vec![8, 16, 16], ..GuidedSettings::default() };
    let recovery = GuidedRecovery::new(settings.init(&[KIND; 3], 10, &device)?, &settings, 0);

    let (present, ids) = ([ModalitySet::single(1)], [0]);
    let mut session = Session::new(&network, &recovery, &Grey, &present, &ids, device);
    session.answer(&[(0, present[0])])?;
    println!("asked about what is observed:    {} recovered, {} fused", session.recovered(), session.fused());
    session.answer(&[(0, present[0].with(0)), (0, present[0].with(2))])?;
    println!("asked about both candidates:     {} recovered, {} fused", session.recovered(), session.fused());
    session.answer(&[(0, present[0]), (0, present[0].with(2))])?;
    println!("asked again: answers are kept:   {} recovered, {} fused", session.recovered(), session.fused());
    Ok(())
}
