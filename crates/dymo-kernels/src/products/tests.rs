use super::*;

const FLOOR: f64 = 1e-8;
const PRIOR: f64 = 1.0 / (1.0 + 1e-8);

/// Numbers that are neither regular nor equal, in −1.5..1.5.
fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32 * 3.0 - 1.5
    };
    (0..count).map(|_| next()).collect()
}

/// The same by the formulas, in double precision, one coordinate after the other.
fn plainly(it: &Products<'_>, means: &[f64], logs: &[f64]) -> Vec<f64> {
    let experts = means.len() / (it.batch * it.width);
    let mut out = vec![0.0; it.batch * (2 * it.width + 1)];
    for b in 0..it.batch {
        let row = &mut out[b * (2 * it.width + 1)..(b + 1) * (2 * it.width + 1)];
        for (place, subset) in it.subsets.iter().enumerate() {
            for z in 0..it.width {
                let members = (0..experts).filter(|e| subset >> e & 1 == 1);
                let (mut precision, mut weighted) = (0.0, 0.0);
                if subset.count_ones() as usize == experts {
                    precision += PRIOR;
                }
                for e in members {
                    let at = (e * it.batch + b) * it.width + z;
                    let p = 1.0 / (logs[at].exp() + FLOOR);
                    precision += p;
                    weighted += p * means[at];
                }
                let (mean, log) = (weighted / precision, -precision.ln());
                row[2 * it.width] += 0.5 * (mean * mean + log.exp() - log - 1.0);
                if it.chosen[b] == place {
                    row[z] = mean;
                    row[it.width + z] = log;
                }
            }
        }
    }
    out
}

struct Case {
    means: Vec<f32>,
    logs: Vec<f32>,
    subsets: Vec<u32>,
    chosen: Vec<usize>,
    batch: usize,
    width: usize,
}

impl Case {
    fn new(experts: usize, batch: usize, width: usize) -> Self {
        let subsets: Vec<u32> = (1..1u32 << experts).collect();
        let chosen = (0..batch).map(|b| (b * 5 + 1) % subsets.len()).collect();
        let count = experts * batch * width;
        Self { means: numbers(1, count), logs: numbers(2, count), subsets, chosen, batch, width }
    }

    fn products(&self) -> Products<'_> {
        Products {
            means: &self.means,
            log_variances: &self.logs,
            batch: self.batch,
            width: self.width,
            subsets: &self.subsets,
            chosen: &self.chosen,
            floor: FLOOR as f32,
            prior: PRIOR as f32,
        }
    }
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|v| f64::from(*v)).collect()
}

#[test]
fn products_follow_the_formulas() {
    for (experts, batch, width) in [(1, 3, 5), (3, 4, 16), (5, 2, 37)] {
        let case = Case::new(experts, batch, width);
        let it = case.products();
        let expected = plainly(&it, &wide(&case.means), &wide(&case.logs));
        for (place, (found, expected)) in it.forward().iter().zip(&expected).enumerate() {
            let allowed = 3e-6 * expected.abs().max(1.0);
            assert!(
                (f64::from(*found) - expected).abs() < allowed,
                "{experts} experts, {place}: {found}, not {expected}"
            );
        }
    }
}

#[test]
fn gradients_are_slopes() {
    let case = Case::new(3, 2, 19);
    let it = case.products();
    let weights = numbers(3, it.forward().len());
    let (means, logs) = it.backward(&weights);
    let loss = |m: &[f64], l: &[f64]| -> f64 {
        plainly(&it, m, l).iter().zip(&weights).map(|(value, weight)| value * f64::from(*weight)).sum()
    };
    let (m, l) = (wide(&case.means), wide(&case.logs));
    let h = 1e-5;
    for place in 0..m.len() {
        let mut moved = [m.clone(), m.clone(), l.clone(), l.clone()];
        moved[0][place] += h;
        moved[1][place] -= h;
        moved[2][place] += h;
        moved[3][place] -= h;
        let by_mean = (loss(&moved[0], &l) - loss(&moved[1], &l)) / (2.0 * h);
        let by_log = (loss(&m, &moved[2]) - loss(&m, &moved[3])) / (2.0 * h);
        for (found, expected) in [(means[place], by_mean), (logs[place], by_log)] {
            let allowed = 1e-5 * expected.abs().max(1.0);
            assert!((f64::from(found) - expected).abs() < allowed, "{place}: {found}, not {expected}");
        }
    }
}

#[test]
fn the_logarithm_is_exact_to_its_bound() {
    for i in 1..20_000 {
        let x = (i as f32 * 0.37).powi(3) * 1e-6;
        let (found, exact) = (f64::from(ln::<false>(x)), f64::from(x).ln());
        assert!((found - exact).abs() < 2e-7 * exact.abs().max(1.0), "ln {x} = {found}, not {exact}");
    }
}

#[test]
#[should_panic(expected = "a subset names experts that are there")]
fn an_empty_subset_is_refused() {
    let case = Case::new(2, 1, 1);
    let _ = Products { subsets: &[0], chosen: &[0], ..case.products() }.forward();
}
