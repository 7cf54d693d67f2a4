//! Baselines that look at no content, or at none but likeness: mean and mode, nearest neighbours, hot deck. They work for any kind.

use std::sync::Arc;

use burn::tensor::Tensor;
use bytemuck::{cast_slice, pod_collect_to_vec};
use dymo_core::{Kind, ModalitySet};
use dymo_impute::{Donor, Donors};
use rayon::prelude::*;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::table::{rows, tensor};
use super::{Gallery, Observed, Recovery, RecoveryError, check_inputs};
use crate::weights::WeightsError;

/// How what is missing is taken from training samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lender {
    /// Mean and most frequent category of all, the same for every sample.
    Centre,
    /// Mean and most frequent category of so many nearest ones; 1 is the nearest itself.
    Nearest(usize),
    /// One at random, whatever its class: the same for a sample's id and this seed.
    HotDeck(u64),
}

/// Donors as recovery model.
#[derive(Debug)]
pub struct LentRecovery {
    donors: Arc<Donors>,
    lender: Lender,
}

impl LentRecovery {
    /// Takes from these donors.
    pub fn new(donors: Donors, lender: Lender) -> Self {
        Self { donors: Arc::new(donors), lender }
    }
}

impl Recovery for LentRecovery {
    fn name(&self) -> &'static str {
        match self.lender {
            Lender::Centre => "mean",
            Lender::Nearest(_) => "neighbours",
            Lender::HotDeck(_) => "hot-deck",
        }
    }

    fn recover(&self, observed: &Observed, wanted: ModalitySet) -> Result<Vec<Tensor<2>>, RecoveryError> {
        check_inputs(observed)?;
        let (n, device) = (observed.len(), observed.inputs[0].device());
        let inputs: Vec<Vec<f32>> = match self.lender {
            Lender::Nearest(_) => observed.inputs.iter().map(|x| rows(x.clone())).collect(),
            _ => Vec::new(),
        };
        let lent = |m: usize, i: usize| match self.lender {
            Lender::Centre => self.donors.centre(m).to_vec(),
            Lender::HotDeck(seed) => self.donors.drawn(m, seed, observed.ids[i]),
            Lender::Nearest(k) => {
                let own = |x: &Vec<f32>| i * (x.len() / n)..(i + 1) * (x.len() / n);
                let own: Vec<&[f32]> = inputs.iter().map(|x| &x[own(x)]).collect();
                self.donors.from_nearest(observed.present, &own, m, k)
            }
        };
        let values = |m: usize| (0..n).into_par_iter().flat_map_iter(|i| lent(m, i)).collect::<Vec<f32>>();
        Ok(wanted.iter().map(|m| tensor(values(m), n, &device)).collect())
    }

    fn drawing(&self) -> Option<Box<dyn Recovery>> {
        match self.lender {
            // Every id is another draw already.
            Lender::HotDeck(_) => Some(Box::new(Self { donors: self.donors.clone(), lender: self.lender })),
            Lender::Centre | Lender::Nearest(_) => None,
        }
    }

    fn shows_training_data(&self) -> bool {
        match self.lender {
            Lender::Centre => false,
            Lender::Nearest(k) => k == 1,
            Lender::HotDeck(_) => true,
        }
    }
}

/// Donors as a SafeTensors file: `observed [n]` (bit m = has modality m) and, for each modality, `modality.m [·, values]` of those that have
/// it, in their order; as bytes where every value is one of 0/255, 1/255, …, 1, which is how pictures are read.
///
/// # Errors
/// If the file cannot be made.
pub fn donors_to_bytes(donors: &Donors) -> Result<Vec<u8>, WeightsError> {
    let unreadable = |e: safetensors::SafeTensorError| WeightsError::Unreadable { reason: e.to_string() };
    let list = donors.donors();
    let observed: Vec<u32> = list.iter().map(|donor| donor.observed.bits()).collect();
    let modalities = list.first().map_or(0, |donor| donor.values.len());
    let parts: Vec<(String, Vec<usize>, Values)> = (0..modalities)
        .map(|m| {
            let having = || list.iter().filter(|donor| donor.observed.contains(m)).map(|donor| &donor.values[m]);
            let width = having().next().map_or(0, Vec::len);
            (format!("modality.{m}"), vec![having().count(), width], Values::of(having().flatten().copied().collect()))
        })
        .collect();
    let view = |dtype, shape, bytes| TensorView::new(dtype, shape, bytes).map_err(unreadable);
    let mut file = vec![("observed".to_owned(), view(Dtype::U32, vec![observed.len()], cast_slice(&observed))?)];
    for (name, shape, values) in &parts {
        file.push((name.clone(), view(values.dtype(), shape.clone(), values.bytes())?));
    }
    safetensors::serialize(file, None).map_err(unreadable)
}

/// Values of a modality as a file has them.
enum Values {
    /// Each a number of 255ths.
    Bytes(Vec<u8>),
    /// Any.
    Numbers(Vec<f32>),
}

impl Values {
    fn of(values: Vec<f32>) -> Self {
        let byte = |value: &f32| {
            let byte = (value * 255.0).round() as u8;
            // To the last bit, the sign of zero too: what is read back is what was written.
            (from_byte(byte).to_bits() == value.to_bits()).then_some(byte)
        };
        match values.iter().map(byte).collect() {
            Some(bytes) => Self::Bytes(bytes),
            None => Self::Numbers(values),
        }
    }

    fn dtype(&self) -> Dtype {
        match self {
            Self::Bytes(_) => Dtype::U8,
            Self::Numbers(_) => Dtype::F32,
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Numbers(numbers) => cast_slice(numbers),
        }
    }
}

fn from_byte(byte: u8) -> f32 {
    f32::from(byte) / 255.0
}

impl Gallery for Donors {
    fn len(&self) -> usize {
        self.donors().len()
    }

    fn read(&self, index: usize, modality: usize, out: &mut [f32]) -> Result<(), String> {
        let donor = &self.donors()[index];
        if !donor.observed.contains(modality) {
            return Err("it is kept without this modality".into());
        }
        out.copy_from_slice(&donor.values[modality]);
        Ok(())
    }
}

/// Donors of these kinds from such a file.
///
/// # Errors
/// [`WeightsError`] for a file that is damaged or belongs to other modalities.
pub fn donors_from_bytes(kinds: &[Kind], bytes: &[u8]) -> Result<Donors, WeightsError> {
    let refuse = |reason: String| WeightsError::Unreadable { reason };
    let file = SafeTensors::deserialize(bytes).map_err(|e| refuse(e.to_string()))?;
    let tensor = |name: &str, dtypes: &[Dtype]| {
        let found = file.tensor(name).map_err(|e| refuse(e.to_string()))?;
        if dtypes.contains(&found.dtype()) { Ok(found) } else { Err(refuse(format!("{name} is {:?}", found.dtype()))) }
    };
    let bits: Vec<u32> = pod_collect_to_vec(tensor("observed", &[Dtype::U32])?.data());
    let mut donors: Vec<Donor> = bits
        .iter()
        .map(|bits| Donor { observed: ModalitySet::from_bits(*bits), values: vec![Vec::new(); kinds.len()] })
        .collect();
    for (m, kind) in kinds.iter().enumerate() {
        let name = format!("modality.{m}");
        let found = tensor(&name, &[Dtype::F32, Dtype::U8])?;
        let having: Vec<&mut Donor> = donors.iter_mut().filter(|donor| donor.observed.contains(m)).collect();
        let wanted = [having.len(), kind.values()];
        if found.shape() != wanted {
            return Err(refuse(format!("{name} has shape {:?}, not {wanted:?}", found.shape())));
        }
        let values: Vec<f32> = match found.dtype() {
            Dtype::U8 => found.data().iter().map(|byte| from_byte(*byte)).collect(),
            _ => pod_collect_to_vec(found.data()),
        };
        if values.iter().any(|value| value.is_infinite()) {
            return Err(WeightsError::NotFinite { name });
        }
        for (donor, row) in having.into_iter().zip(values.chunks_exact(kind.values())) {
            donor.values[m] = row.to_vec();
        }
    }
    Donors::new(kinds.to_vec(), donors).map_err(|e| refuse(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    const PICTURE: Kind = Kind::Image { height: 1, width: 2, channels: 1 };

    fn donors() -> Donors {
        let donor = |a: Option<[f32; 2]>, b: [f32; 2]| Donor {
            observed: if a.is_some() { ModalitySet::full(2) } else { ModalitySet::single(1) },
            values: vec![a.map_or(Vec::new(), Vec::from), b.to_vec()],
        };
        let list =
            vec![donor(Some([0.0, 0.0]), [1.0, 0.0]), donor(None, [0.5, 0.5]), donor(Some([1.0, 1.0]), [0.0, 0.4])];
        Donors::new(vec![PICTURE, PICTURE], list).expect("donors")
    }

    fn recovered(lender: Lender, ids: &[u64]) -> Vec<f32> {
        let device = Device::flex();
        let inputs = vec![Tensor::<2>::full([ids.len(), 2], 0.9, &device)];
        let observed = Observed { present: ModalitySet::single(0), inputs, ids: ids.to_vec() };
        let recovery = LentRecovery::new(donors(), lender);
        rows(recovery.recover(&observed, ModalitySet::single(1)).expect("recovered").remove(0))
    }

    #[test]
    fn each_lender_lends_its_own() {
        assert!(recovered(Lender::Centre, &[1]).iter().zip([0.5, 0.3]).all(|(a, b)| (a - b).abs() < 1e-6));
        assert_eq!(recovered(Lender::Nearest(1), &[1, 2]), [0.0, 0.4, 0.0, 0.4]);
        assert_eq!(recovered(Lender::Nearest(9), &[1]), [0.5, 0.2], "both that share the picture");
        let drawn = recovered(Lender::HotDeck(3), &[0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(drawn[6..8], recovered(Lender::HotDeck(3), &[3])[..], "neighbours do not matter");
        assert!(drawn.chunks(2).any(|row| row != &drawn[..2]), "not always the same: {drawn:?}");
    }

    #[test]
    fn a_file_gives_them_back_and_damage_is_refused() {
        let bytes = donors_to_bytes(&donors()).expect("a file");
        let kinds = [PICTURE, PICTURE];
        assert_eq!(donors_from_bytes(&kinds, &bytes).expect("donors"), donors());
        assert!(donors_from_bytes(&kinds, &bytes[..bytes.len() - 4]).is_err());
        let other = [PICTURE, Kind::Image { height: 2, width: 2, channels: 1 }];
        let refused = donors_from_bytes(&other, &bytes).expect_err("other modalities").to_string();
        assert!(refused.contains("modality.1"), "{refused}");
    }
}
