//! IMI: tables from tables, by chained regressions over the columns of all of them.

use burn::tensor::Tensor;
use dymo_core::{Kind, ModalitySet};
use dymo_impute::Chain;
use rayon::prelude::*;

use super::table::{TableColumns, rows, tensor};
use super::{Observed, Recovery, RecoveryError, RecoveryLayoutError, check_inputs};

/// A fitted [`Chain`] as recovery model. It recovers tables and nothing else, from what is known of tables and nothing else: where no
/// column is known, means and most frequent categories.
#[derive(Debug)]
pub struct ChainedRecovery {
    chain: Chain,
    columns: TableColumns,
}

impl ChainedRecovery {
    /// The chain was fitted on the columns of all tables side by side.
    ///
    /// # Errors
    /// [`RecoveryLayoutError::NoTable`] where there is none, or the chain has other columns.
    pub fn new(chain: Chain, kinds: &[Kind]) -> Result<Self, RecoveryLayoutError> {
        let columns = TableColumns::of(kinds).filter(|columns| columns.width() == chain.fields().len());
        Ok(Self { chain, columns: columns.ok_or(RecoveryLayoutError::NoTable { model: "imi" })? })
    }
}

impl Recovery for ChainedRecovery {
    fn name(&self) -> &'static str {
        "imi"
    }

    fn recover(&self, observed: &Observed, wanted: ModalitySet) -> Result<Vec<Tensor<2>>, RecoveryError> {
        check_inputs(observed)?;
        let device = observed.inputs[0].device();
        let mut values = rows(self.columns.join(observed));
        values.par_chunks_mut(self.columns.width()).for_each(|row| {
            self.chain.fill(row);
        });
        let all = tensor(values, observed.len(), &device);
        let cut = |m| {
            let refused = RecoveryError::NotRecoverable { model: "imi", modality: m, present: observed.present };
            self.columns.cut(&all, m).ok_or(refused)
        };
        wanted.iter().map(cut).collect()
    }

    fn recoverable(&self, present: ModalitySet, modalities: usize) -> ModalitySet {
        present.complement(modalities).intersection(self.columns.modalities())
    }
}
