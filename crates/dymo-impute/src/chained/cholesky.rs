//! Symmetric positive definite systems, small and dense.

/// A matrix `[n, n]` as the product of a lower triangle with its transpose.
#[derive(Debug, Clone)]
pub(super) struct Cholesky {
    n: usize,
    /// Row-major; what is above the diagonal is not read.
    lower: Vec<f64>,
}

impl Cholesky {
    /// Takes `matrix [n, n]` apart, of which the lower triangle is read; `None` where it is not positive definite.
    pub fn of(mut matrix: Vec<f64>, n: usize) -> Option<Self> {
        for row in 0..n {
            let (above, own) = matrix.split_at_mut(row * n);
            for column in 0..row {
                let other = &above[column * n..column * n + column + 1];
                let sum = own[column] - dot(&own[..column], &other[..column]);
                own[column] = sum / other[column];
            }
            let rest = own[row] - dot(&own[..row], &own[..row]);
            if !(rest.is_finite() && rest > own[row] * 1e-14) {
                return None;
            }
            own[row] = rest.sqrt();
        }
        Some(Self { n, lower: matrix })
    }

    /// Solves for one right side in place, `[n]`.
    pub fn solve(&self, x: &mut [f64]) {
        let n = self.n;
        for row in 0..n {
            let own = &self.lower[row * n..row * n + row + 1];
            x[row] = (x[row] - dot(&own[..row], &x[..row])) / own[row];
        }
        for row in (0..n).rev() {
            let sum: f64 = (row + 1..n).map(|below| self.lower[below * n + row] * x[below]).sum();
            x[row] = (x[row] - sum) / self.lower[row * n + row];
        }
    }
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solves_a_known_system() {
        let matrix = vec![4.0, 0.0, 0.0, 2.0, 5.0, 0.0, -2.0, 1.0, 9.0];
        let mut x = vec![4.0 + 4.0 - 6.0, 2.0 + 10.0 + 3.0, -2.0 + 2.0 + 27.0];
        Cholesky::of(matrix, 3).expect("positive definite").solve(&mut x);
        assert!(x.iter().zip([1.0, 2.0, 3.0]).all(|(a, b)| (a - b).abs() < 1e-12), "{x:?}");
    }

    #[test]
    fn what_is_not_definite_is_refused() {
        assert!(Cholesky::of(vec![1.0, 0.0, 1.0, 1.0], 2).is_none());
        assert!(Cholesky::of(vec![f64::NAN], 1).is_none());
    }
}
