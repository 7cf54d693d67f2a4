use super::*;
use burn::tensor::{Device, Tensor};
use dymo_core::{Kind, Modality};
use dymo_models::encoder::EncoderSettings;
use dymo_models::fusion::{EmbeddingRows, FeatureScale, FusionLayout, FusionNetwork, FusionTable, Input};
use dymo_models::weights::Precision;

use crate::experiment::TrainedStage;
use crate::trainer::{Point, Schedule, Trained};

fn schema(classes: &[&str]) -> Schema {
    let kind = Kind::Image { height: 4, width: 4, channels: 1 };
    let modalities = vec![Modality::new("left", kind.clone()), Modality::new("right", kind)];
    Schema::new(modalities, classes.iter().map(ToString::to_string).collect()).unwrap()
}

fn network() -> FusionNetwork {
    let encoder = EncoderSettings::Perceptron { hidden: 4, token_width: 4 };
    let input = Input { kind: Kind::Image { height: 4, width: 4, channels: 1 }, encoder };
    let table = FusionTable {
        inputs: vec![input; 2],
        width: 4,
        heads: 2,
        blocks: 1,
        feature_width: 3,
        classes: 2,
        scale: FeatureScale::Unit,
        embedding_rows: EmbeddingRows::OnePerModality,
    };
    FusionLayout::try_from(table).unwrap().init(&Device::flex())
}

fn provenance() -> Provenance {
    Provenance {
        seed: 7,
        schedule: Schedule::default(),
        epoch: 3,
        steps: 12,
        seconds: 1.5,
        samples: 99,
        device: "cpu, 2 threads".into(),
        data: "maker = \"made up\"\n".into(),
        version: "0".into(),
        imported: None,
        pretrained: vec!["left from published.pth, sha256 00".into()],
    }
}

fn trained(model: FusionNetwork) -> TrainedStage {
    let history = vec![Point { quantity: "validation: accuracy".into(), epoch: 1.0, value: 0.5 }];
    TrainedStage::Fusion(Metric::Cosine, Trained { model, history, best_epoch: 2, steps: 12, seconds: 1.5 })
}

fn filled(path: &Path, model: FusionNetwork) -> Result<ModelFolder, ModelFolderError> {
    let mut folder = ModelFolder::create(path, "small", &schema(&["no", "yes"]))?;
    folder.add(&trained(model), None, Precision::Full, provenance())?;
    Ok(folder)
}

fn logits(network: &FusionNetwork) -> Vec<f32> {
    let x = Tensor::<2>::ones([1, 16], &Device::flex());
    let tokens = vec![network.tokens(0, x.clone()), network.tokens(1, x)];
    network.fuse(tokens).logits.into_data().try_to_vec().unwrap()
}

#[test]
fn what_is_added_is_found_again() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("model");
    let made = network();
    filled(&path, made.clone()).unwrap();
    let folder = ModelFolder::open(&path).unwrap();
    let read = folder.fusion(Metric::Cosine, &Device::flex()).unwrap();
    assert_eq!(logits(&read), logits(&made));
    assert_eq!(folder.history()["fusion-cosine"].len(), 1);
    assert!(matches!(folder.statistics(Metric::Cosine), Err(ModelFolderError::NoStatistics { .. })));
    assert!(matches!(folder.fusion(Metric::Euclid, &Device::flex()), Err(ModelFolderError::NoFusion { .. })));
    assert!(
        folder
            .recovery(RecoveryKind::Guided, Metric::Cosine, 0, &Device::flex())
            .err()
            .unwrap()
            .to_string()
            .contains("train recovery guided")
    );
    let card = std::fs::read_to_string(path.join("README.md")).unwrap();
    assert!(card.contains("Model card: small") && card.contains("| 3 | 100 | 12 |"), "{card}");
    assert!(card.contains("maker = \"made up\""));
    assert!(
        card.contains(
            "`fusion-cosine.safetensors` started from published weights: left from published.pth, sha256 00."
        ),
        "{card}"
    );
}

#[test]
fn an_export_in_half_precision_is_a_model_too() {
    let place = tempfile::tempdir().unwrap();
    let folder = filled(&place.path().join("model"), network()).unwrap();
    folder.export(&place.path().join("half"), Precision::Half, &Device::flex()).unwrap();
    let half = ModelFolder::open(&place.path().join("half")).unwrap();
    assert_eq!(half.contents(), folder.contents());
    half.fusion(Metric::Cosine, &Device::flex()).unwrap();
}

#[test]
fn damage_is_named() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("model");
    filled(&path, network()).unwrap();
    let file = path.join("fusion-cosine.safetensors");
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() - 3]).unwrap();
    let message = ModelFolder::open(&path).unwrap_err().to_string();
    assert!(message.contains("fusion-cosine.safetensors has sha256"), "{message}");
    let message = ModelFolder::open(&place.path().join("none")).unwrap_err().to_string();
    assert!(message.contains("there is no model"), "{message}");
}

#[test]
fn weights_that_are_not_finite_leave_no_folder() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("model");
    let broken = burn::module::Module::map(network(), &mut Nan);
    let message = filled(&path, broken).unwrap_err().to_string();
    assert!(message.contains("fusion-cosine.safetensors") && message.contains("not finite"), "{message}");
    assert!(!path.exists());
}

struct Nan;

impl burn::module::ModuleMapper for Nan {
    fn map_float<const D: usize>(&mut self, param: burn::module::Param<Tensor<D>>) -> burn::module::Param<Tensor<D>> {
        param.map(|x| x * f32::NAN)
    }
}

#[test]
fn other_data_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("model");
    let folder = filled(&path, network()).unwrap();
    let message = ModelFolder::create(&path, "small", &schema(&["no", "maybe"])).unwrap_err().to_string();
    assert!(message.contains("its classes are no, yes, the data's no, maybe"), "{message}");
    assert!(folder.check_modalities(&schema(&["no", "maybe"])).is_ok());
}

#[test]
fn a_writer_that_was_stopped_before_the_list_goes_on() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("model");
    filled(&path, network()).unwrap();
    let stale = std::fs::read(path.join("SHA256SUMS")).unwrap();
    filled(&path, network()).unwrap();
    std::fs::write(path.join("SHA256SUMS"), stale).unwrap();
    assert!(ModelFolder::open(&path).is_err());
    filled(&path, network()).unwrap();
    assert!(ModelFolder::open(&path).is_ok());
}
