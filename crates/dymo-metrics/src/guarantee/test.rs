//! The two tests: each gives a number that, if the risk is above the tolerance, is at most u with probability at most u.

use statrs::distribution::{Binomial, DiscreteCDF};

/// The exact sign test of "risk above 0". Given how many samples the two ways differ on, the losses among them are
/// binomial, with a probability of at least one half under the hypothesis; few losses speak against it.
pub(super) fn sign(wins: usize, losses: usize) -> f64 {
    let differ = (wins + losses) as u64;
    match Binomial::new(0.5, differ) {
        Ok(losses_if_level) if differ > 0 => losses_if_level.cdf(losses as u64).min(1.0),
        _ => 1.0,
    }
}

/// A test of "mean loss above `tolerance`" by betting against it (Waudby-Smith and Ramdas 2024), for losses in −1..=1
/// read one after the other. The capital 1 is multiplied by 1 + b·(tolerance − loss), with a stake b that depends on the
/// past alone and can never lose everything. If the mean is above the tolerance the capital cannot be expected to grow, so
/// it reaches 1/u with probability at most u (Ville). Unlike Hoeffding's bound it gains from losses being mostly 0.
/// `boldness` in 0..1 is the largest stake as a part of what could lose everything.
pub(super) fn betting(losses: impl Iterator<Item = f64>, tolerance: f64, boldness: f64) -> f64 {
    let most = boldness / (1.0 - tolerance);
    // Before anything is seen, a loss of 0 and a variance of 1/4 are supposed, as of one sample.
    let (mut seen, mut sum, mut squares) = (1.0, 0.0, 0.25);
    let (mut log_capital, mut largest) = (0.0f64, 0.0f64);
    for loss in losses {
        let mean = sum / seen;
        let edge = tolerance - mean;
        let stake = (edge / (squares / seen + edge * edge)).clamp(0.0, most);
        log_capital += (stake * (tolerance - loss)).ln_1p();
        largest = largest.max(log_capital);
        seen += 1.0;
        sum += loss;
        squares += (loss - sum / seen).powi(2);
    }
    (-largest).exp()
}
