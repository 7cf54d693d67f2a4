use super::*;

#[test]
fn windows_of_the_release_come_from_their_sides() {
    let layers = [(128, 1, false), (128, 4, false), (128, 4, true)].map(|(f, k, last)| conv_layer(f, k, last));
    let windows: Vec<_> = layers.iter().map(|l| (l.kernel, l.stride, l.padding)).collect();
    assert_eq!(windows, [(1, 1, 0), (4, 2, 1), (4, 2, 0)]);
    assert_eq!(extent_before(&layers), 8);
}

fn file(inputs: Vec<(&str, Input)>) -> NamedTensors {
    let modalities = inputs.into_iter().map(|(name, input)| (name.to_owned(), Some(input))).collect();
    let reading = Reading { modalities, width: 8, blocks: 2, classes: 5, feature_width: 6, picture: PICTURE };
    let tensor = |(name, shape): (String, Vec<usize>)| {
        let values = vec![0.0; shape.iter().product()];
        (name, NamedTensor { shape, values })
    };
    reading.expected().into_iter().map(tensor).collect()
}

/// Three alike, numbered.
fn released() -> (NamedTensors, FusionHints) {
    let picture = Input {
        kind: Kind::Image { height: 28, width: 28, channels: 3 },
        encoder: EncoderSettings::Convolutional { widths: vec![2, 3, 4], token_width: 8 },
    };
    let inputs = ["0", "1", "2"].map(|name| (name, picture.clone()));
    (file(inputs.to_vec()), FusionHints::default())
}

/// One of each other sort, named.
fn mixed() -> NamedTensors {
    let layers = |filters: &[usize], first| -> Vec<ConvLayer> {
        let last = filters.len() - 1;
        filters.iter().enumerate().map(|(i, f)| conv_layer(*f, if i == 0 { first } else { 4 }, i == last)).collect()
    };
    let (picture, text) = (layers(&[2, 3, 3, 5], 4), layers(&[3, 4, 5], 1));
    file(vec![
        (
            "grey",
            Input {
                kind: Kind::Image { height: 4, width: 4, channels: 1 },
                encoder: EncoderSettings::Perceptron { hidden: 7, token_width: 8 },
            },
        ),
        (
            "photo",
            Input {
                kind: Kind::Image { height: 32, width: 32, channels: 3 },
                encoder: EncoderSettings::PictureToken { layers: picture, token_width: 8 },
            },
        ),
        (
            "text",
            Input {
                kind: Kind::Text { length: 8, symbols: 6, vocabulary: None },
                encoder: EncoderSettings::SequenceToken { layers: text, token_width: 8 },
            },
        ),
    ])
}

fn check(tensors: &NamedTensors) -> Result<(), PublishedError> {
    Reading::of(tensors, &FusionHints::default()).and_then(|reading| reading.check(tensors))
}

type Refusal = (Vec<String>, Vec<String>, Vec<(String, Vec<usize>, Vec<usize>)>);

/// What a file is said to lack, to have too much, and to have in another shape.
fn refusal(change: impl FnOnce(&mut NamedTensors)) -> Refusal {
    refusal_of(released().0, change)
}

fn refusal_of(mut tensors: NamedTensors, change: impl FnOnce(&mut NamedTensors)) -> Refusal {
    change(&mut tensors);
    match check(&tensors) {
        Err(PublishedError::Mismatch { missing, superfluous, shapes }) => (missing, superfluous, shapes),
        other => panic!("{other:?}"),
    }
}

fn missing(change: impl FnOnce(&mut NamedTensors)) -> Vec<String> {
    let (missing, superfluous, shapes) = refusal(change);
    assert!(superfluous.is_empty() && shapes.is_empty(), "{superfluous:?} {shapes:?}");
    missing
}

#[test]
fn whatever_single_tensor_is_missing_it_alone_is_named() {
    for tensors in [released().0, mixed()] {
        assert!(check(&tensors).is_ok());
        for name in tensors.keys() {
            let (missing, superfluous, shapes) = refusal_of(tensors.clone(), |t| drop(t.remove(name)));
            assert!(superfluous.is_empty() && shapes.is_empty(), "{name}: {superfluous:?} {shapes:?}");
            assert_eq!(missing, [name.as_str()]);
        }
    }
}

#[test]
fn whatever_several_are_missing_all_are_named() {
    for group in [
        &["classifier.bias", "transformer.0.attn.qkv.weight"][..],
        &["classifier.bias", "classifier.weight", "projection.bias", "projection.weight"],
        &["cls_token", "modality_embeddings.weight", "pos_embeddings"],
    ] {
        assert_eq!(missing(|t| t.retain(|name, _| !group.contains(&name.as_str()))), group);
    }
    // An encoder that might be anything.
    let (gone, superfluous, shapes) = refusal_of(mixed(), |t| t.retain(|name, _| !name.contains("photo")));
    assert_eq!((gone, superfluous.len(), shapes.len()), (vec!["m_encoders.?.*".to_string()], 0, 0));
    // The first block, and one of several encoders alike.
    let gone = missing(|t| t.retain(|name, _| !name.starts_with("transformer.0.")));
    assert!(gone.len() == 11 && gone.iter().all(|name| name.starts_with("transformer.0.")), "{gone:?}");
    let gone = missing(|t| t.retain(|name, _| !name.starts_with("m_encoders.1.")));
    assert!(gone.len() == 8 && gone.iter().all(|name| name.starts_with("m_encoders.1.")), "{gone:?}");
}

#[test]
fn another_shape_is_told_as_the_file_has_it() {
    let shape = |name: &str, shape: &[usize]| {
        let (missing, superfluous, shapes) = refusal(|t| {
            t.insert(name.into(), NamedTensor { shape: shape.to_vec(), values: vec![0.0; shape.iter().product()] });
        });
        assert!(missing.is_empty() && superfluous.is_empty());
        let [(found, had, wanted)] = &shapes[..] else { panic!("{shapes:?}") };
        assert_eq!((found.as_str(), &had[..]), (name, shape));
        wanted.clone()
    };
    assert_eq!(shape("transformer.1.mlp.fc1.weight", &[32, 7]), [32, 8]);
    assert_eq!(shape("modality_embeddings.weight", &[4, 8]), [3, 8]);
    assert_eq!(shape("classifier.bias", &[1]), [5]);
    assert_eq!(shape("cls_token", &[8]), [1, 1, 8]);
    assert_eq!(shape("m_encoders.2.network.2.weight", &[3, 2, 3, 2]), [3, 2, 3, 3]);
}

#[test]
fn an_encoder_of_another_sort_is_refused() {
    let mut tensors = mixed();
    tensors.retain(|name, _| !name.starts_with("m_encoders.photo."));
    for layer in ["conv1", "resblock1.0.conv1", "resblock1.0.conv2"] {
        tensors.insert(
            format!("m_encoders.photo.feature_extractor.{layer}.weight"),
            NamedTensor { shape: vec![1], values: vec![0.0] },
        );
    }
    let message = check(&tensors).unwrap_err().to_string();
    assert!(message.contains("photo") && message.contains("MNIST-SVHN-Text"), "{message}");
}

#[test]
fn what_is_superfluous_is_named() {
    let one = || NamedTensor { shape: vec![1], values: vec![0.0] };
    let (missing, superfluous, shapes) = refusal(|t| {
        t.insert("fc.weight".into(), one());
        t.insert("transformer.99999999999.norm1.weight".into(), one());
        t.insert("m_encoders.0.network.6.weight".into(), one());
    });
    assert!(missing.is_empty() && shapes.is_empty());
    let names = ["fc.weight", "m_encoders.0.network.6.weight", "transformer.99999999999.norm1.weight"];
    assert_eq!(superfluous, names);
}

#[test]
fn one_name_of_a_block_makes_no_blocks() {
    let one = || NamedTensor { shape: vec![8], values: vec![0.0; 8] };
    let (missing, superfluous, shapes) = refusal(|t| {
        t.extend((0..100).map(|n| (format!("x.{n}"), one())));
        t.insert("transformer.99.norm1.weight".into(), one());
    });
    assert!(missing.is_empty() && shapes.is_empty(), "{missing:?} {shapes:?}");
    assert_eq!((superfluous.len(), superfluous[0].as_str()), (101, "transformer.99.norm1.weight"));
    let message = PublishedError::Mismatch { missing, superfluous, shapes }.to_string();
    assert!(message.contains("superfluous: transformer.99.norm1.weight, x.{0..99};"), "{message}");
}

#[test]
fn positions_that_do_not_fit_ask_for_the_size_of_pictures() {
    let (mut tensors, hints) = released();
    let shape = vec![1, 1 + 3 * 16, 8];
    tensors.insert(POSITIONS.into(), NamedTensor { values: vec![0.0; 49 * 8], shape });
    let check = |hints: &FusionHints| Reading::of(&tensors, hints).and_then(|reading| reading.check(&tensors));
    let message = check(&hints).unwrap_err().to_string();
    for part in ["pos_embeddings is [1, 49, 8]", "28x28", "[1, 13, 8]", "--picture"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(check(&FusionHints { picture: Some([64, 64]), ..hints }).is_ok());
}
