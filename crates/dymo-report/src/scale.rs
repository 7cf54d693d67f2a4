//! Axes: from values to places on a drawing, with round numbers for ticks.

/// A linear axis from a range of values to a range of places.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    values: (f64, f64),
    places: (f64, f64),
}

impl Scale {
    pub(crate) fn new(values: (f64, f64), places: (f64, f64)) -> Self {
        Self { values, places }
    }

    /// The place of a value, which may lie outside.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let (low, high) = self.values;
        let share = if high > low { (value - low) / (high - low) } else { 0.5 };
        self.places.0 + share * (self.places.1 - self.places.0)
    }

    /// The same, held inside the axis.
    pub(crate) fn inside(&self, value: f64) -> f64 {
        let (a, b) = (self.places.0.min(self.places.1), self.places.0.max(self.places.1));
        self.at(value).clamp(a, b)
    }

    /// About `wanted` round values inside the range.
    pub(crate) fn ticks(&self, wanted: usize) -> Vec<f64> {
        let (low, high) = self.values;
        let step = step(high - low, wanted);
        let first = (low / step - 1e-9).ceil() as i64;
        (first..first.saturating_add(200))
            // Dividing by the inverse keeps 0.3 from becoming 0.30000000000000004.
            .map(|i| if step < 1.0 { i as f64 / (1.0 / step).round() } else { i as f64 * step })
            .take_while(|v| *v <= high + step * 1e-9)
            .collect()
    }
}

/// The smallest range that holds every finite value, widened to round numbers; `fallback` where there is none.
pub(crate) fn range(values: impl Iterator<Item = f64>, fallback: (f64, f64)) -> (f64, f64) {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for v in values.filter(|v| v.is_finite()) {
        low = low.min(v);
        high = high.max(v);
    }
    // The bound on size keeps differences of huge values from overflowing.
    if low > high || low.abs().max(high.abs()) > 1e15 {
        return fallback;
    }
    let least = (low.abs() * 1e-3).max(1e-6);
    if high - low < least {
        (low, high) = (low - least, high + least);
    }
    let step = step(high - low, 4);
    ((low / step + 1e-9).floor() * step, (high / step - 1e-9).ceil() * step)
}

/// 1, 2 or 5 times a power of ten, so that about `wanted` of them make `span`.
fn step(span: f64, wanted: usize) -> f64 {
    let rough = (span / wanted.max(1) as f64).max(1e-12);
    let power = 10f64.powf(rough.log10().floor());
    let factor = match rough / power {
        f if f <= 1.0 => 1.0,
        f if f <= 2.0 => 2.0,
        f if f <= 5.0 => 5.0,
        _ => 10.0,
    };
    factor * power
}

/// Moves places apart so that neighbours keep `gap`, staying in `bounds` where they fit, in the given order of
/// values. Labels at the ends of lines use it.
pub(crate) fn apart(places: &[f64], gap: f64, bounds: (f64, f64)) -> Vec<f64> {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by(|&a, &b| places[a].total_cmp(&places[b]));
    let mut moved = places.to_vec();
    let mut floor = bounds.0;
    for &i in &order {
        moved[i] = moved[i].max(floor);
        floor = moved[i] + gap;
    }
    let mut ceiling = bounds.1;
    for &i in order.iter().rev() {
        moved[i] = moved[i].min(ceiling);
        ceiling = moved[i] - gap;
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ticks_are_round() {
        let scale = Scale::new((0.6, 1.0), (0.0, 100.0));
        assert_eq!(scale.ticks(4), [0.6, 0.7, 0.8, 0.9, 1.0]);
        assert!((scale.at(0.8) - 50.0).abs() < 1e-9);
        assert_eq!(Scale::new((-20.0, 40.0), (0.0, 1.0)).ticks(3), [-20.0, 0.0, 20.0, 40.0]);
    }

    #[test]
    fn nothing_to_show_gives_the_fallback() {
        assert_eq!(range([].into_iter(), (0.0, 1.0)), (0.0, 1.0));
        assert_eq!(range([f64::NAN, f64::INFINITY].into_iter(), (0.0, 1.0)), (0.0, 1.0));
        let (low, high) = range([0.5].into_iter(), (0.0, 1.0));
        assert!(low < 0.5 && 0.5 < high);
    }

    proptest! {
        #[test]
        fn a_range_holds_its_values(values in prop::collection::vec(-1e6f64..1e6, 1..9)) {
            let (low, high) = range(values.iter().copied(), (0.0, 1.0));
            let slack = (high - low) * 1e-6;
            for v in values {
                prop_assert!(low - slack <= v && v <= high + slack);
            }
            prop_assert!(!Scale::new((low, high), (0.0, 1.0)).ticks(4).is_empty());
        }

        #[test]
        fn labels_end_apart(places in prop::collection::vec(0.0f64..100.0, 1..8)) {
            let moved = apart(&places, 12.0, (0.0, 100.0));
            let mut sorted = moved.clone();
            sorted.sort_by(f64::total_cmp);
            for pair in sorted.windows(2) {
                prop_assert!(pair[1] - pair[0] >= 12.0 - 1e-9);
            }
        }
    }
}
