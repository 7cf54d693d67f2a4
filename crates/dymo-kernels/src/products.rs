//! Products of Gaussian experts over every subset of modalities, with their divergences: what one step of a mixture of products
//! of experts (Sutter et al., 2021) needs, in one pass.

use rayon::prelude::*;

use crate::dispatch::{dispatch, multiply_add, polynomial};
use crate::memory::zeros;

/// Latent coordinates that are worked on together.
const LANES: usize = 16;

/// Experts and the subsets that they form.
#[derive(Debug, Clone, Copy)]
pub struct Products<'a> {
    /// Means of the experts, `[experts, batch, width]`.
    pub means: &'a [f32],
    /// Logarithms of their variances, `[experts, batch, width]`.
    pub log_variances: &'a [f32],
    /// Number of samples.
    pub batch: usize,
    /// Width of the latent.
    pub width: usize,
    /// The subsets as bit masks over experts; none is empty.
    pub subsets: &'a [u32],
    /// Which of `subsets` each sample's latent is drawn from, `[batch]`.
    pub chosen: &'a [usize],
    /// Added to every variance.
    pub floor: f32,
    /// Precision of a standard normal expert that joins the subset of all experts.
    pub prior: f32,
}

/// e^x by the standard library's; separate so that both directions use the same.
fn exp(x: f32) -> f32 {
    x.exp()
}

/// ln x for a normal, positive x. Absolute error below 2e-7 · max(1, |ln x|). Branch-free, so that a loop of it becomes vectors.
#[inline(always)]
fn ln<const FUSED: bool>(x: f32) -> f32 {
    // x = m · 2^e with m in [√½, √2).
    let bits = x.to_bits().wrapping_sub(0x3f35_04f3);
    let e = (bits as i32) >> 23;
    let m = f32::from_bits((bits & 0x007f_ffff).wrapping_add(0x3f35_04f3));
    // ln m = 2·artanh(t), t = (m − 1)/(m + 1), |t| ≤ 0.172.
    let t = (m - 1.0) / (m + 1.0);
    let s = t * t;
    let series = polynomial::<FUSED, 5>(s, [1.0, 1.0 / 3.0, 1.0 / 5.0, 1.0 / 7.0, 1.0 / 9.0]);
    let e = e as f32;
    // ln 2 in two parts, so that the large one is exact.
    multiply_add::<FUSED>(e, 0.693_359_4, multiply_add::<FUSED>(e, -2.121_944_4e-4, 2.0 * t * series))
}

type Lane = [f32; LANES];

/// Experts at some coordinates of one sample: precision and precision times mean.
struct Experts {
    precision: Vec<Lane>,
    weighted: Vec<Lane>,
}

impl Products<'_> {
    fn experts(&self) -> usize {
        self.means.len().checked_div(self.batch * self.width).unwrap_or(0)
    }

    fn check(&self) {
        let experts = self.experts();
        assert_eq!(self.means.len(), experts * self.batch * self.width, "means");
        assert_eq!(self.log_variances.len(), self.means.len(), "log variances");
        assert_eq!(self.chosen.len(), self.batch, "one chosen subset per sample");
        assert!(self.chosen.iter().all(|s| *s < self.subsets.len()), "a chosen subset must be one of the subsets");
        let all = ((1u64 << experts) - 1) as u32;
        assert!(self.subsets.iter().all(|s| *s != 0 && s & !all == 0), "a subset names experts that are there");
    }

    /// Reads the coordinates from `first` on; lanes beyond the width are a standard normal.
    fn read(&self, sample: usize, first: usize, into: &mut Experts) {
        for expert in 0..into.precision.len() {
            let at = (expert * self.batch + sample) * self.width + first;
            let lanes = LANES.min(self.width - first);
            let (mut p, mut w) = ([1.0; LANES], [0.0; LANES]);
            for lane in 0..lanes {
                p[lane] = 1.0 / (exp(self.log_variances[at + lane]) + self.floor);
                w[lane] = p[lane] * self.means[at + lane];
            }
            into.precision[expert] = p;
            into.weighted[expert] = w;
        }
    }

    fn blank(&self) -> Experts {
        Experts { precision: vec![[0.0; LANES]; self.experts()], weighted: vec![[0.0; LANES]; self.experts()] }
    }

    /// For every sample the mean and log variance of its chosen product, then the sum over all subsets of the divergence from a
    /// standard normal, nats: `[batch, 2·width + 1]`.
    ///
    /// # Panics
    /// If lengths and shapes disagree.
    pub fn forward(&self) -> Vec<f32> {
        self.check();
        let mut out = zeros(self.batch * (2 * self.width + 1));
        out.par_chunks_mut(2 * self.width + 1).enumerate().for_each(|(sample, out)| {
            let mut experts = self.blank();
            let mut divergence = 0.0;
            for first in (0..self.width).step_by(LANES) {
                self.read(sample, first, &mut experts);
                let (mut mean, mut log, mut kl) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
                sum_forward(self, sample, &experts, &mut mean, &mut log, &mut kl);
                let lanes = LANES.min(self.width - first);
                out[first..first + lanes].copy_from_slice(&mean[..lanes]);
                out[self.width + first..self.width + first + lanes].copy_from_slice(&log[..lanes]);
                divergence += kl[..lanes].iter().sum::<f32>();
            }
            out[2 * self.width] = divergence;
        });
        out
    }

    /// Gradients of means and log variances, each `[experts, batch, width]`, from the gradient of [`Products::forward`]'s result.
    ///
    /// # Panics
    /// If lengths and shapes disagree.
    pub fn backward(&self, gradient: &[f32]) -> (Vec<f32>, Vec<f32>) {
        self.check();
        let row = 2 * self.width + 1;
        assert_eq!(gradient.len(), self.batch * row, "gradient of products");
        let (experts, width) = (self.experts(), self.width);
        // A sample's gradients stand together while threads write them.
        let mut together = zeros(self.batch * experts * 2 * width);
        together.par_chunks_mut((experts * 2 * width).max(1)).enumerate().for_each(|(sample, out)| {
            let mut at = self.blank();
            let mut slopes = self.blank();
            let given = &gradient[sample * row..(sample + 1) * row];
            for first in (0..width).step_by(LANES) {
                self.read(sample, first, &mut at);
                let lanes = LANES.min(width - first);
                let (mut mean, mut log) = ([0.0; LANES], [0.0; LANES]);
                mean[..lanes].copy_from_slice(&given[first..first + lanes]);
                log[..lanes].copy_from_slice(&given[width + first..width + first + lanes]);
                sum_backward(self, sample, &at, &mean, &log, given[2 * width], &mut slopes);
                for expert in 0..experts {
                    for lane in 0..lanes {
                        let (p, w) = (at.precision[expert][lane], at.weighted[expert][lane]);
                        let (dp, dw) = (slopes.precision[expert][lane], slopes.weighted[expert][lane]);
                        let place = expert * 2 * width + first + lane;
                        out[place] = dw * p;
                        // The mean is w/p, and the variance without its floor 1/p − floor.
                        out[place + width] = -(dp + dw * w / p) * p * (1.0 - self.floor * p);
                    }
                }
            }
        });
        let mut means = zeros(self.means.len());
        let mut logs = zeros(self.means.len());
        means.par_chunks_mut(width.max(1)).zip(logs.par_chunks_mut(width.max(1))).enumerate().for_each(
            |(place, (mean, log))| {
                let (expert, sample) = (place / self.batch, place % self.batch);
                let at = (sample * experts + expert) * 2 * width;
                mean.copy_from_slice(&together[at..at + width]);
                log.copy_from_slice(&together[at + width..at + 2 * width]);
            },
        );
        (means, logs)
    }

    /// Precision and weighted mean of a subset.
    #[inline(always)]
    fn joint(&self, subset: u32, experts: &Experts) -> (Lane, Lane) {
        let all = (1u64 << experts.precision.len()) - 1;
        let prior = if u64::from(subset) == all { self.prior } else { 0.0 };
        let (mut precision, mut weighted) = ([prior; LANES], [0.0; LANES]);
        for expert in 0..experts.precision.len() {
            if subset >> expert & 1 == 1 {
                for lane in 0..LANES {
                    precision[lane] += experts.precision[expert][lane];
                    weighted[lane] += experts.weighted[expert][lane];
                }
            }
        }
        (precision, weighted)
    }
}

#[inline(always)]
fn forward_lanes<const FUSED: bool>(
    it: &Products<'_>,
    sample: usize,
    experts: &Experts,
    mean: &mut Lane,
    log: &mut Lane,
    kl: &mut Lane,
) {
    for (place, subset) in it.subsets.iter().enumerate() {
        let (precision, weighted) = it.joint(*subset, experts);
        let (mut m, mut l) = ([0.0; LANES], [0.0; LANES]);
        for lane in 0..LANES {
            let variance = 1.0 / precision[lane];
            m[lane] = weighted[lane] * variance;
            l[lane] = -ln::<FUSED>(precision[lane]);
            kl[lane] += 0.5 * (m[lane] * m[lane] + variance - l[lane] - 1.0);
        }
        if it.chosen[sample] == place {
            (*mean, *log) = (m, l);
        }
    }
}

fn sum_forward(it: &Products<'_>, sample: usize, experts: &Experts, mean: &mut Lane, log: &mut Lane, kl: &mut Lane) {
    dispatch!(wide, forward_lanes::<true>, forward_lanes::<false>,
        (it: &Products<'_>, sample: usize, experts: &Experts, mean: &mut Lane, log: &mut Lane, kl: &mut Lane))
}

/// Slopes with respect to every expert's precision and weighted mean.
#[inline(always)]
fn backward_lanes(
    it: &Products<'_>,
    sample: usize,
    experts: &Experts,
    mean: &Lane,
    log: &Lane,
    kl: f32,
    slopes: &mut Experts,
) {
    slopes.precision.fill([0.0; LANES]);
    slopes.weighted.fill([0.0; LANES]);
    for (place, subset) in it.subsets.iter().enumerate() {
        let (precision, weighted) = it.joint(*subset, experts);
        let chosen = if it.chosen[sample] == place { 1.0 } else { 0.0 };
        let (mut dp, mut dw) = ([0.0; LANES], [0.0; LANES]);
        for lane in 0..LANES {
            let variance = 1.0 / precision[lane];
            let m = weighted[lane] * variance;
            let dm = kl * m + chosen * mean[lane];
            // The divergence's own dependence on the variance and its logarithm, and the drawn log variance's.
            dp[lane] = variance * (0.5 * kl * (1.0 - variance) - chosen * log[lane] - dm * m);
            dw[lane] = dm * variance;
        }
        for expert in 0..experts.precision.len() {
            if subset >> expert & 1 == 1 {
                for lane in 0..LANES {
                    slopes.precision[expert][lane] += dp[lane];
                    slopes.weighted[expert][lane] += dw[lane];
                }
            }
        }
    }
}

fn sum_backward(
    it: &Products<'_>,
    sample: usize,
    experts: &Experts,
    mean: &Lane,
    log: &Lane,
    kl: f32,
    slopes: &mut Experts,
) {
    dispatch!(wide, backward_lanes, (it: &Products<'_>, sample: usize, experts: &Experts, mean: &Lane, log: &Lane, kl: f32, slopes: &mut Experts))
}

#[cfg(test)]
mod tests;
