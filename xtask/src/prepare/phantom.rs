//! A made-up cohort in the layout of a cardiac one, for where no real hearts are at hand: ellipsoids of blood in a wall of muscle
//! at two phases, with noise, and a table of clinical columns drawn to fit. Every file and id says what it is.

use anyhow::Result;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rand_distr::{Distribution, Normal};

use super::nifti::Stack;

/// Stands in the header of every volume.
pub(crate) const DESCRIPTION: &str = "phantom made by dymo, not a patient";

pub(crate) const PATIENTS: usize = 60;

/// Columns of the made-up table.
pub(crate) const COLUMNS: [&str; 6] = ["age", "sex", "systolic_mmhg", "heart_rate", "log_bnp", "diabetes"];

/// Field of view 160 mm.
const SHAPE: [usize; 3] = [64, 64, 9];
const SPACING: [f32; 3] = [2.5, 2.5, 8.0];

/// The label's rules: below this share of blood ejected a heart fails, from this wall on it is thickened.
const FAILING_BELOW: f64 = 0.40;
const THICK_FROM_MM: f64 = 12.5;

/// Share of table cells that are not known.
const MISSING: f64 = 0.1;

/// What a heart is, by the rules above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// Ejects too little.
    Failing,
    /// Ejects enough, has a thick wall.
    Thickened,
    /// Neither.
    Normal,
}

/// A left ventricle at the end of filling; millimetres.
#[derive(Debug, Clone, Copy)]
struct Heart {
    cavity_radius: f64,
    wall: f64,
    /// Half the length from base to apex.
    length: f64,
    ejection: f64,
    /// Ratio of the axes in a slice, and how they are turned.
    aspect: f64,
    angle: f64,
    centre: [f64; 2],
    gain: f64,
}

/// One made-up patient.
#[derive(Debug)]
pub(crate) struct Phantom {
    pub(crate) state: State,
    /// At the end of filling and of ejection, as files.
    pub(crate) phases: [Vec<u8>; 2],
    /// One cell for each of [`COLUMNS`], empty where missing.
    pub(crate) cells: Vec<String>,
}

/// The cohort of a seed; `index` alone decides what is drawn for a patient.
pub(crate) fn patient(seed: u64, index: usize) -> Result<Phantom> {
    let mut draws = Draws::new(seed, index);
    let heart = Heart::draw(&mut draws, index);
    let cells = heart.table(&mut draws);
    let phases = [heart, heart.ejected()].map(|phase| phase.stack(&mut draws).to_nii_gz(DESCRIPTION));
    let [filled, ejected] = phases;
    Ok(Phantom { state: heart.state(), phases: [filled?, ejected?], cells })
}

impl Heart {
    /// Every third heart leans to another state; what it is, its own measures decide.
    fn draw(draws: &mut Draws, index: usize) -> Self {
        let [radius, wall, ejection] = match index % 3 {
            0 => [27.0, 9.5, 0.28],
            1 => [20.0, 15.5, 0.66],
            _ => [22.0, 9.5, 0.60],
        };
        Self {
            cavity_radius: draws.around(radius, 2.5).clamp(14.0, 34.0),
            wall: draws.around(wall, 1.5).clamp(6.0, 20.0),
            length: draws.around(46.0, 4.0).clamp(36.0, 56.0),
            ejection: draws.around(ejection, 0.06).clamp(0.10, 0.80),
            aspect: draws.around(1.0, 0.08).clamp(0.8, 1.25),
            angle: draws.unit() * std::f64::consts::PI,
            centre: [draws.around(0.0, 5.0), draws.around(0.0, 5.0)],
            gain: draws.around(1.0, 0.12).clamp(0.7, 1.4),
        }
    }

    fn state(&self) -> State {
        if self.ejection < FAILING_BELOW {
            State::Failing
        } else if self.wall >= THICK_FROM_MM {
            State::Thickened
        } else {
            State::Normal
        }
    }

    /// The end of ejection: the cavity has lost `ejection` of its volume at the same length, the muscle has kept its own.
    fn ejected(self) -> Self {
        let cavity_radius = self.cavity_radius * (1.0 - self.ejection).sqrt();
        let muscle = (self.cavity_radius + self.wall).powi(2) - self.cavity_radius.powi(2);
        Self { cavity_radius, wall: (cavity_radius.powi(2) + muscle).sqrt() - cavity_radius, ..self }
    }

    fn stack(&self, draws: &mut Draws) -> Stack {
        let [width, height, slices] = SHAPE;
        let mut voxels = Vec::with_capacity(width * height * slices);
        for slice in 0..slices {
            for row in 0..height {
                for column in 0..width {
                    let place = |index: usize, axis: usize| {
                        (index as f64 - (SHAPE[axis] as f64 - 1.0) / 2.0) * f64::from(SPACING[axis])
                    };
                    let clean = self.intensity([place(column, 0), place(row, 1), place(slice, 2)]);
                    voxels.push(draws.around(clean * self.gain, 11.0).round().clamp(0.0, 255.0) as u8);
                }
            }
        }
        Stack { shape: SHAPE, spacing: SPACING, voxels }
    }

    /// Blood is bright, muscle dark, lung darker; a second pool of blood lies beside the wall.
    fn intensity(&self, [x, y, z]: [f64; 3]) -> f64 {
        let [blood, muscle, lung, fat] = [150.0, 70.0, 25.0, 105.0];
        let [x, y] = [x - self.centre[0], y - self.centre[1]];
        let (sine, cosine) = self.angle.sin_cos();
        let [along, across] = [(x * cosine + y * sine) * self.aspect, (y * cosine - x * sine) / self.aspect];
        let inside =
            |radius: f64, length: f64| (along.powi(2) + across.powi(2)) / radius.powi(2) + (z / length).powi(2) < 1.0;
        let outer = self.cavity_radius + self.wall;
        let beside = ((x + outer + 4.0) / 16.0).powi(2) + (y / (outer * 0.9)).powi(2) + (z / self.length).powi(2);
        match () {
            () if inside(self.cavity_radius, self.length) => blood,
            () if inside(outer, self.length + self.wall) => muscle,
            () if beside < 1.0 => blood,
            () if x.hypot(y) > 68.0 => fat,
            () => lung,
        }
    }

    /// Clinical columns that lean with the state and overlap, some of them missing.
    fn table(&self, draws: &mut Draws) -> Vec<String> {
        let [age, systolic, rate, bnp, diabetes] = match self.state() {
            State::Failing => [66.0, 112.0, 82.0, 6.6, 0.40],
            State::Thickened => [55.0, 141.0, 71.0, 5.4, 0.25],
            State::Normal => [52.0, 124.0, 68.0, 4.3, 0.12],
        };
        let cells = [
            format!("{:.0}", draws.around(age, 11.0).clamp(18.0, 95.0)),
            if draws.unit() < 0.55 { "male" } else { "female" }.to_owned(),
            format!("{:.0}", draws.around(systolic, 14.0)),
            format!("{:.0}", draws.around(rate, 10.0)),
            format!("{:.2}", draws.around(bnp, 0.9)),
            if draws.unit() < diabetes { "yes" } else { "no" }.to_owned(),
        ];
        cells.map(|cell| if draws.unit() < MISSING { String::new() } else { cell }).to_vec()
    }
}

/// The random numbers of one patient.
struct Draws(ChaCha8Rng);

impl Draws {
    fn new(seed: u64, index: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(index as u64);
        Self(rng)
    }

    /// In `[0, 1)`.
    fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A normal draw; the spreads above are positive constants, with which the distribution always exists.
    fn around(&mut self, mean: f64, spread: f64) -> f64 {
        Normal::new(mean, spread).map_or(mean, |normal| normal.sample(&mut self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dymo_data::volume::{Limits, Volume};

    fn volume(file: &[u8]) -> Volume {
        Volume::from_reader(file, &Limits::default()).unwrap()
    }

    #[test]
    fn a_patient_depends_on_seed_and_index_alone() {
        let [one, again, other] = [(5, 2), (5, 2), (6, 2)].map(|(seed, index)| patient(seed, index).unwrap());
        assert_eq!((&one.phases, &one.cells), (&again.phases, &again.cells));
        assert_ne!(one.phases, other.phases);
    }

    #[test]
    fn states_follow_from_the_measures() {
        let heart = Heart::draw(&mut Draws::new(1, 2), 2);
        for (ejection, wall, state) in
            [(0.39, 20.0, State::Failing), (0.40, 12.5, State::Thickened), (0.40, 12.4, State::Normal)]
        {
            assert_eq!(Heart { ejection, wall, ..heart }.state(), state);
        }
        let mut counts = std::collections::BTreeMap::new();
        for index in 0..PATIENTS {
            let state = Heart::draw(&mut Draws::new(2025, index), index).state();
            *counts.entry(state).or_insert(0) += 1;
        }
        assert!(counts.len() == 3 && counts.values().all(|count| *count >= 12), "{counts:?}");
    }

    #[test]
    fn the_pictures_show_the_share_ejected_and_muscle_keeps_its_volume() {
        let heart = Heart {
            cavity_radius: 26.0,
            wall: 10.0,
            length: 46.0,
            ejection: 0.5,
            aspect: 1.0,
            angle: 0.0,
            centre: [0.0; 2],
            gain: 1.0,
        };
        let mut draws = Draws::new(1, 0);
        let phases = [heart, heart.ejected()].map(|phase| {
            let volume = volume(&phase.stack(&mut draws).to_nii_gz(DESCRIPTION).unwrap());
            // Blood around the middle of the field, less the pool beside it.
            let bright = |((x, y, _, _), value): ((usize, usize, usize, usize), &f32)| {
                let [x, y] = [x as f64 - 31.5, y as f64 - 31.5].map(|voxels| voxels * 2.5);
                x.hypot(y) < 27.0 && *value > 110.0
            };
            volume.data().indexed_iter().filter(|voxel| bright(*voxel)).count() as f64
        });
        let ejected = 1.0 - phases[1] / phases[0];
        assert!((ejected - 0.5).abs() < 0.05, "{ejected}");
        let muscle = |h: Heart| (h.cavity_radius + h.wall).powi(2) - h.cavity_radius.powi(2);
        assert!((muscle(heart) - muscle(heart.ejected())).abs() < 1e-9);
    }
}
