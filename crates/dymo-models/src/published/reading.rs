//! The layout of a released fusion network from a file of which some tensors may be missing or have another shape: every extent is
//! what most tensors say that have it. From it follows the list of all names with their released shapes, against which the file is
//! held before anything is built.

use std::collections::{BTreeMap, BTreeSet};

use dymo_core::{Kind, ModalitySet};

use super::fusion::FusionHints;
use super::{NamedTensor, NamedTensors, PublishedError, names};
use crate::encoder::{ConvLayer, EncoderSettings};
use crate::fusion::{Input, LayoutError};

/// The released pictures whose size the shapes do not settle.
const PICTURE: [usize; 2] = [28, 28];
/// What a linear layer inside a block widens to.
const RATIO: usize = 4;
/// A buffer that only training reads: selection takes the overall prototypes of the statistics file (method, section 3).
pub(super) const UNUSED: &str = "prototypes";

/// An extent: the pattern of a name, and the dimension.
type Place<'a> = (&'a str, usize);

/// What the tensors of a file say about a network, each extent by majority.
pub(super) struct Votes<'t>(pub &'t NamedTensors);

impl Votes<'_> {
    /// What most tensors say that stand at one of these places; the first of equals.
    pub(super) fn most(&self, places: &[Place<'_>]) -> Option<usize> {
        let at = |(pattern, dimension): &Place<'_>| {
            let extent = |tensor: &NamedTensor| tensor.shape.get(*dimension).copied();
            if !pattern.contains('*') {
                return self.0.get(*pattern).and_then(extent).into_iter().collect();
            }
            let fitting = self.0.iter().filter(|(name, _)| names::matched(name, pattern).is_some());
            fitting.filter_map(|(_, tensor)| extent(tensor)).collect::<Vec<_>>()
        };
        most(places.iter().flat_map(at))
    }
}

fn most(values: impl Iterator<Item = usize>) -> Option<usize> {
    let mut counted: Vec<(usize, usize)> = Vec::new();
    for value in values {
        match counted.iter_mut().find(|(other, _)| *other == value) {
            Some((_, count)) => *count += 1,
            None => counted.push((value, 1)),
        }
    }
    // The last of equals is taken, so from the back.
    counted.into_iter().rev().max_by_key(|(_, count)| *count).map(|(value, _)| value)
}

/// The encoders that released networks have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Convolutional,
    Perceptron,
    Picture,
    Sequence,
}

impl Sort {
    const ALL: [Self; 4] = [Self::Convolutional, Self::Perceptron, Self::Picture, Self::Sequence];

    /// Its layers, without [`LAST`].
    fn layers(self) -> &'static [&'static str] {
        match self {
            Self::Convolutional => &["network.0", "network.2", "network.4", "proj_conv.0"],
            Self::Perceptron => &["enc.0.0"],
            Self::Picture => &["conv1", "conv2", "conv3", "conv4"],
            Self::Sequence => &["text_feature_enc.conv1", "text_feature_enc.conv2", "text_feature_enc.conv5"],
        }
    }
}

/// The layer that three of the encoders end with.
const LAST: &str = "proj";

/// A released fusion network as a file describes it.
pub(super) struct Reading {
    /// Names of the modalities, in order, and what reads them; `None` where nothing of an encoder is left.
    pub modalities: Vec<(String, Option<Input>)>,
    pub width: usize,
    pub blocks: usize,
    pub classes: usize,
    pub feature_width: usize,
    picture: [usize; 2],
}

impl Reading {
    /// # Errors
    /// No modality or too many, or an encoder that no released network has.
    pub(super) fn of(tensors: &NamedTensors, hints: &FusionHints) -> Result<Self, PublishedError> {
        let votes = Votes(tensors);
        let width = votes.most(&[
            ("modality_embeddings.weight", 1),
            ("m_norms.*.*", 0),
            ("transformer.*.norm1.*", 0),
            ("transformer.*.norm2.*", 0),
            ("cls_token", 2),
            ("pos_embeddings", 2),
            ("classifier.weight", 1),
            ("projection.weight", 1),
        ]);
        // What no tensor says is not compared either: all that have it are missing.
        let width = width.unwrap_or(0);
        let picture = hints.picture.unwrap_or(PICTURE);
        let names = modality_names(tensors, hints)?;
        let sorts = names.iter().map(|name| sort_of(tensors, name)).collect::<Result<Vec<_>, _>>()?;
        let only = sorts.iter().flatten().next().copied();
        // An encoder of which nothing is left is like the others, if these are all of one sort.
        let alike = only.filter(|only| sorts.iter().flatten().all(|sort| sort == only));
        let inputs = names.into_iter().zip(sorts).map(|(name, sort)| {
            let input = sort.or(alike).map(|sort| input(&votes, &name, sort, width, picture));
            (name, input)
        });
        Ok(Self {
            modalities: inputs.collect(),
            width,
            blocks: blocks(tensors),
            classes: votes.most(&[("classifier.weight", 0), ("classifier.bias", 0), (UNUSED, 0)]).unwrap_or(0),
            feature_width: votes.most(&[("projection.weight", 0), ("projection.bias", 0), (UNUSED, 1)]).unwrap_or(0),
            picture,
        })
    }

    /// Every tensor of the release with its shape; those of an encoder that is not known are left out.
    fn expected(&self) -> BTreeMap<String, Vec<usize>> {
        let (d, wide) = (self.width, self.width.saturating_mul(RATIO));
        let mut all = BTreeMap::new();
        let mut add = |name: String, shape: &[usize]| all.insert(name, shape.to_vec());
        for (place, (name, input)) in self.modalities.iter().enumerate() {
            for (part, shape) in input.iter().flat_map(|input| encoder(input, d)) {
                add(format!("m_encoders.{name}.{part}"), &shape);
            }
            for part in ["weight", "bias"] {
                add(format!("m_norms.{place}.{part}"), &[d]);
            }
        }
        for block in 0..self.blocks {
            let parts: [(&str, &[usize]); BLOCK_PARTS] = [
                ("norm1.weight", &[d]),
                ("norm1.bias", &[d]),
                ("attn.qkv.weight", &[d.saturating_mul(3), d]),
                ("attn.proj.weight", &[d, d]),
                ("attn.proj.bias", &[d]),
                ("norm2.weight", &[d]),
                ("norm2.bias", &[d]),
                ("mlp.fc1.weight", &[wide, d]),
                ("mlp.fc1.bias", &[wide]),
                ("mlp.fc2.weight", &[d, wide]),
                ("mlp.fc2.bias", &[d]),
            ];
            for (part, shape) in parts {
                add(format!("transformer.{block}.{part}"), shape);
            }
        }
        for (name, shape) in [
            ("cls_token", &[1, 1, d][..]),
            (POSITIONS, &[1, 1 + self.tokens(), d]),
            ("modality_embeddings.weight", &[self.modalities.len(), d]),
            ("classifier.weight", &[self.classes, d]),
            ("classifier.bias", &[self.classes]),
            ("projection.weight", &[self.feature_width, d]),
            ("projection.bias", &[self.feature_width]),
        ] {
            add(name.into(), shape);
        }
        all
    }

    /// Tokens of all modalities together.
    fn tokens(&self) -> usize {
        let inputs = self.modalities.iter().filter_map(|(_, input)| input.as_ref());
        inputs.map(|input| input.encoder.tokens(&input.kind)).sum()
    }

    /// Whether the file holds every tensor of the release and no other, each in its shape.
    ///
    /// # Errors
    /// [`PublishedError::Mismatch`] with everything that does not fit; [`PublishedError::Positions`] if it is only the positions,
    /// and pictures of another size would have others.
    pub(super) fn check(&self, tensors: &NamedTensors) -> Result<(), PublishedError> {
        let expected = self.expected();
        let unknown: Vec<String> =
            self.modalities.iter().filter(|m| m.1.is_none()).map(|(name, _)| format!("m_encoders.{name}.")).collect();
        let mut missing: Vec<String> = expected.keys().filter(|name| !tensors.contains_key(*name)).cloned().collect();
        missing.extend(unknown.iter().map(|prefix| format!("{prefix}*")));
        let known = |name: &str| {
            expected.contains_key(name) || name == UNUSED || unknown.iter().any(|prefix| name.starts_with(prefix))
        };
        let superfluous: Vec<String> = tensors.keys().filter(|name| !known(name)).cloned().collect();
        let differs = |(name, wanted): (&String, &Vec<usize>)| {
            let found = &tensors.get(name)?.shape;
            // How many positions there are depends on encoders that are not known.
            let settled = name != POSITIONS || unknown.is_empty();
            (found != wanted && settled).then(|| (name.clone(), found.clone(), wanted.clone()))
        };
        let shapes: Vec<_> = expected.iter().filter_map(differs).collect();
        if missing.is_empty() && superfluous.is_empty() {
            match &shapes[..] {
                [] => return Ok(()),
                [(name, found, wanted)] if name == POSITIONS && self.has_sized_pictures() => {
                    let (found, wanted) = (found.clone(), wanted.clone());
                    return Err(PublishedError::Positions { found, wanted, picture: self.picture });
                }
                _ => {}
            }
        }
        Err(PublishedError::Mismatch { missing, superfluous, shapes })
    }

    /// Whether there are pictures whose size the shapes do not settle.
    fn has_sized_pictures(&self) -> bool {
        let mut inputs = self.modalities.iter().filter_map(|(_, input)| input.as_ref());
        inputs.any(|input| matches!(input.encoder, EncoderSettings::Convolutional { .. }))
    }
}

const POSITIONS: &str = "pos_embeddings";

/// Tensors of a block.
const BLOCK_PARTS: usize = 11;

/// One more than the largest number of which half a block is there: what is there of less is superfluous. If no block is, one more
/// than the largest number.
fn blocks(tensors: &NamedTensors) -> usize {
    let mut parts: BTreeMap<usize, usize> = BTreeMap::new();
    for name in tensors.keys() {
        let number = name.strip_prefix("transformer.").and_then(|rest| rest.split('.').next()?.parse::<usize>().ok());
        if let Some(number) = number.filter(|number| *number < tensors.len()) {
            *parts.entry(number).or_default() += 1;
        }
    }
    let last = parts.iter().rev().find(|(_, count)| **count >= BLOCK_PARTS.div_ceil(2)).map(|(number, _)| number + 1);
    last.unwrap_or_else(|| numbered(tensors, "transformer."))
}

/// One more than the largest number behind a prefix; numbers beyond that of tensors are none.
fn numbered(tensors: &NamedTensors, prefix: &str) -> usize {
    let number = |name: &String| name.strip_prefix(prefix)?.split('.').next()?.parse::<usize>().ok();
    tensors.keys().filter_map(number).filter(|number| *number < tensors.len()).max().map_or(0, |last| last + 1)
}

/// Names of the modalities: as hinted if all that the file names are among them, else numbers ascending, else alphabetically. Of
/// how many there are most must be convinced: embeddings, norms and encoders.
fn modality_names(tensors: &NamedTensors, hints: &FusionHints) -> Result<Vec<String>, PublishedError> {
    let named = tensors.keys().filter_map(|name| name.strip_prefix("m_encoders.")?.split('.').next());
    let mut found: Vec<String> = named.collect::<BTreeSet<_>>().into_iter().map(str::to_string).collect();
    let embeddings = tensors.get("modality_embeddings.weight").and_then(|tensor| tensor.shape.first().copied());
    let counts = [embeddings, Some(numbered(tensors, "m_norms.")), Some(found.len())];
    let count = most(counts.into_iter().flatten()).unwrap_or(0);
    let are_numbers = found.iter().all(|name| name.parse::<usize>().is_ok());
    // Numbers beyond the count are superfluous, names are modalities more.
    let largest = if are_numbers { count } else { count.max(found.len()) };
    if largest > ModalitySet::MAX {
        return Err(LayoutError::Modalities { found: largest }.into());
    }
    if let Some(hinted) = &hints.modalities
        && hinted.len() == count
        && found.iter().all(|name| hinted.contains(name))
    {
        return Ok(hinted.clone());
    }
    let free = (0..count).map(|place| if are_numbers { place.to_string() } else { "?".into() });
    let absent: Vec<String> =
        free.filter(|name| !found.contains(name)).take(count.saturating_sub(found.len())).collect();
    found.extend(absent);
    found.sort_by_key(|name| (name.parse::<usize>().unwrap_or(usize::MAX), name.clone()));
    if are_numbers {
        found.truncate(count);
    }
    Ok(found)
}

/// Which encoder a modality has, by most of its names; `None` if nothing is left that would tell.
fn sort_of(tensors: &NamedTensors, modality: &str) -> Result<Option<Sort>, PublishedError> {
    let prefix = format!("m_encoders.{modality}.");
    let parts: Vec<&str> = tensors.keys().filter_map(|name| name.strip_prefix(&prefix)).collect();
    let layer = |part: &str| part.strip_suffix(".weight").or(part.strip_suffix(".bias")).map(str::to_string);
    let layers: Vec<Option<String>> =
        parts.iter().map(|part| layer(part)).filter(|l| l.as_deref() != Some(LAST)).collect();
    let of = |sort: &Sort| layers.iter().flatten().filter(|layer| sort.layers().contains(&layer.as_str())).count();
    let known: usize = Sort::ALL.iter().map(of).sum();
    if layers.len() > 2 * known {
        /// Names shown.
        const SHOWN: usize = 4;
        let shown = parts[..parts.len().min(SHOWN)].join(", ");
        return Err(PublishedError::Encoder { modality: modality.into(), found: shown });
    }
    Ok(Sort::ALL.into_iter().rev().max_by_key(of).filter(|sort| of(sort) > 0))
}

/// What a modality reads. Extents that its own tensors do not say are those of the others.
fn input(votes: &Votes<'_>, modality: &str, sort: Sort, token_width: usize, picture: [usize; 2]) -> Input {
    let at = |modality: &str, places: &[Place<'_>]| {
        let full: Vec<(String, usize)> =
            places.iter().map(|(part, dimension)| (format!("m_encoders.{modality}.{part}"), *dimension)).collect();
        votes.most(&full.iter().map(|(name, dimension)| (name.as_str(), *dimension)).collect::<Vec<_>>())
    };
    let extents = |places: &[Place<'_>]| at(modality, places).or_else(|| at("*", places));
    let extent = |part: &str, dimension: usize| extents(&[(part, dimension)]);
    // Filters stand in a weight, its bias, and the next layer's weight.
    let filters = |layers: &[&str], place: usize| {
        let (own, next) = (layers[place], layers.get(place + 1).copied().unwrap_or(LAST));
        let names = [(own, "weight"), (own, "bias"), (next, "weight")].map(|(layer, part)| format!("{layer}.{part}"));
        extents(&[(&names[0], 0), (&names[1], 0), (&names[2], 1)]).unwrap_or(0)
    };
    let channels = |layers: &[&str]| extent(&format!("{}.weight", layers[0]), 1).unwrap_or(0);
    let layers = sort.layers();
    match sort {
        Sort::Convolutional => Input {
            kind: Kind::Image { height: picture[0], width: picture[1], channels: channels(layers) },
            encoder: EncoderSettings::Convolutional {
                widths: (0..3).map(|place| filters(layers, place)).collect(),
                token_width,
            },
        },
        Sort::Perceptron => {
            let side = extent("enc.0.0.weight", 1).map(usize::isqrt).filter(|side| *side > 0);
            // Pixels that make no square are compared with the released ones.
            let square = side.filter(|side| extent("enc.0.0.weight", 1) == Some(side * side)).unwrap_or(PICTURE[0]);
            Input {
                kind: Kind::Image { height: square, width: square, channels: 1 },
                encoder: EncoderSettings::Perceptron { hidden: filters(layers, 0), token_width },
            }
        }
        Sort::Picture | Sort::Sequence => {
            let window = |place: usize| {
                let released = if sort == Sort::Sequence && place == 0 { 1 } else { 4 };
                extent(&format!("{}.weight", layers[place]), 2).unwrap_or(released)
            };
            let convolutions: Vec<ConvLayer> = (0..layers.len())
                .map(|place| conv_layer(filters(layers, place), window(place), place + 1 == layers.len()))
                .collect();
            let side = extent_before(&convolutions);
            if sort == Sort::Picture {
                Input {
                    kind: Kind::Image { height: side, width: side, channels: channels(layers) },
                    encoder: EncoderSettings::PictureToken { layers: convolutions, token_width },
                }
            } else {
                Input {
                    kind: Kind::Text { length: side, symbols: channels(layers), vocabulary: None },
                    encoder: EncoderSettings::SequenceToken { layers: convolutions, token_width },
                }
            }
        }
    }
}

/// Steps and zeros are those of the released networks: a window of one place moves by one, any other by two with a zero around, the
/// last one without.
fn conv_layer(filters: usize, kernel: usize, last: bool) -> ConvLayer {
    let (stride, padding) = if kernel == 1 { (1, 0) } else { (2, usize::from(!last)) };
    ConvLayer { filters, kernel, stride, padding }
}

/// The smallest extent that these layers bring down to one place.
fn extent_before(layers: &[ConvLayer]) -> usize {
    layers.iter().rev().fold(1, |extent, layer| {
        let before = (extent.saturating_sub(1)).saturating_mul(layer.stride).saturating_add(layer.kernel);
        before.saturating_sub(2 * layer.padding)
    })
}

/// The tensors of an encoder with tokens of the network's own width, as every released one has them.
fn encoder(input: &Input, width: usize) -> Vec<(String, Vec<usize>)> {
    let [_, _, channels] = input.kind.shape();
    match &input.encoder {
        EncoderSettings::Convolutional { widths, .. } => {
            let chain = widths.iter().map(|width| (*width, 3)).chain([(width, 1)]);
            convolutions(Sort::Convolutional, channels, chain, 2)
        }
        EncoderSettings::Perceptron { hidden, .. } => {
            [layer(Sort::Perceptron.layers()[0], &[*hidden, input.kind.values()]), layer(LAST, &[width, *hidden])]
                .concat()
        }
        EncoderSettings::PictureToken { layers, .. } => {
            let last = layers.last().map_or(0, |layer| layer.filters);
            let chain = layers.iter().map(|layer| (layer.filters, layer.kernel));
            [convolutions(Sort::Picture, channels, chain, 2), layer(LAST, &[width, last]).to_vec()].concat()
        }
        EncoderSettings::SequenceToken { layers, .. } => {
            let last = layers.last().map_or(0, |layer| layer.filters);
            let chain = layers.iter().map(|layer| (layer.filters, layer.kernel));
            [convolutions(Sort::Sequence, channels, chain, 1), layer(LAST, &[width, last]).to_vec()].concat()
        }
        _ => Vec::new(),
    }
}

/// Filters and windows one behind the other, the windows of so many dimensions.
fn convolutions(
    sort: Sort,
    channels: usize,
    chain: impl Iterator<Item = (usize, usize)>,
    dimensions: usize,
) -> Vec<(String, Vec<usize>)> {
    let mut before = channels;
    let mut all = Vec::new();
    for (name, (filters, kernel)) in sort.layers().iter().zip(chain) {
        all.extend(layer(name, &[&[filters, before][..], &vec![kernel; dimensions]].concat()));
        before = filters;
    }
    all
}

/// A weight of this shape and its bias.
fn layer(name: &str, shape: &[usize]) -> [(String, Vec<usize>); 2] {
    [(format!("{name}.weight"), shape.to_vec()), (format!("{name}.bias"), shape[..1].to_vec())]
}

#[cfg(test)]
mod tests;
