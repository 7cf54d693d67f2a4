use super::*;

/// Repeatable numbers in −1..1.
fn noise(seed: u32) -> f32 {
    let mixed = seed.wrapping_mul(2_654_435_761).rotate_left(13).wrapping_mul(2_246_822_519);
    (mixed >> 8) as f32 / (1 << 23) as f32 - 1.0
}

const FIELDS: [Field; 4] = [Field::Number, Field::Number, Field::Categories(3), Field::Number];

/// a, b free; c tells which third a lies in; d = 2a − b, and a little that nothing tells.
fn truth(i: u32) -> [f32; 4] {
    let (a, b) = (noise(2 * i), noise(2 * i + 1));
    let third = if a < -0.33 {
        0.0
    } else if a < 0.33 {
        1.0
    } else {
        2.0
    };
    [a, b, third, 2.0 * a - b + 0.5 * noise(300_000 + i)]
}

/// `n` rows of which a share of the cells is missing, never the whole row.
fn gappy(n: u32, share: f32) -> Vec<f32> {
    let row = |i: u32| {
        let mut row = truth(i);
        for (c, cell) in row.iter_mut().enumerate() {
            if (noise(700_000 + 4 * i + c as u32) + 1.0) / 2.0 < share && c as u32 != i % 4 {
                *cell = f32::NAN;
            }
        }
        row
    };
    (0..n).flat_map(row).collect()
}

fn fit(rows: &[f32]) -> (Chain, Vec<Round>) {
    let mut rounds = Vec::new();
    let settings = ChainSettings { rounds: 100, penalty: 0.1, ..ChainSettings::default() };
    let chain = Chain::fit(&FIELDS, rows, &settings, &mut |_, round| {
        rounds.push(round);
        true
    });
    (chain.expect("fitted"), rounds)
}

/// With three of four known the linear relation is found again up to its noise, and the category nearly always.
#[test]
fn a_relation_is_recovered() {
    let (chain, rounds) = fit(&gappy(600, 0.25));
    assert!(rounds.last().expect("a round").arrived, "{rounds:?}");
    assert!(rounds[0].largest_move > rounds[rounds.len() - 1].largest_move, "{rounds:?}");
    let (mut right, mut squares) = (0, [0.0f32; 4]);
    for i in 10_000..10_200 {
        let whole = truth(i);
        for column in 0..4 {
            let mut row = whole;
            row[column] = f32::NAN;
            assert!(chain.fill(&mut row).arrived);
            match column {
                2 => right += u32::from(row[2] == whole[2]),
                _ => squares[column] += (row[column] - whole[column]).powi(2) / 200.0,
            }
        }
    }
    // What nothing tells of d has deviation 0.29; a and b have 0.58, d has 1.32.
    let errors = squares.map(f32::sqrt);
    assert!(errors[3] < 0.34 && errors[0] < 0.2 && errors[1] < 0.32, "{errors:?}");
    assert!(right > 175, "{right} of 200 categories");
}

/// An exact relation, complete rows: as good as exact, after one round.
#[test]
fn an_exact_relation_is_exact() {
    let rows: Vec<f32> =
        (0..200).flat_map(|i| [noise(2 * i), noise(2 * i + 1), noise(2 * i) - 0.5 * noise(2 * i + 1) + 0.25]).collect();
    let settings = ChainSettings { penalty: 1e-6, ..ChainSettings::default() };
    let mut rounds = 0;
    let chain = Chain::fit(&[Field::Number; 3], &rows, &settings, &mut |_, _| {
        rounds += 1;
        true
    });
    let mut row = [0.5, -0.5, f32::NAN];
    assert!(chain.expect("fitted").fill(&mut row).arrived);
    assert!((row[2] - 1.0).abs() < 1e-5 && rounds == 1, "{row:?} after {rounds}");
}

#[test]
fn known_cells_stay_and_nothing_known_gives_the_middle() {
    let rows = gappy(300, 0.2);
    let (chain, _) = fit(&rows);
    let mut row = [0.25, f32::NAN, 1.0, f32::NAN];
    chain.fill(&mut row);
    assert_eq!((row[0], row[2]), (0.25, 1.0));
    assert!(row.iter().all(|v| v.is_finite()));
    let mut nothing = [f32::NAN; 4];
    assert_eq!(chain.fill(&mut nothing), Filled { rounds: 0, arrived: true });
    assert_eq!(nothing, chain.centre());
    let known: Vec<f32> = rows.iter().step_by(4).copied().filter(|v| !v.is_nan()).collect();
    let mean = known.iter().map(|v| f64::from(*v)).sum::<f64>() / known.len() as f64;
    assert_eq!(chain.centre()[0], mean as f32);
}

#[test]
fn the_same_rows_give_the_same_chain_and_a_file_keeps_it() {
    let rows = gappy(200, 0.2);
    let (one, other) = (fit(&rows).0, fit(&rows).0);
    assert_eq!(one, other);
    assert!(one.is_sound());
    let broken = Chain { order: vec![9], ..one.clone() };
    assert!(!broken.is_sound());
    let short = Chain { regressions: vec![Regression::Linear(vec![1.0]); 4], ..one };
    assert!(!short.is_sound());
}

#[test]
fn columns_of_one_value_or_none_are_constant() {
    let nan = f32::NAN;
    let rows = [1.0, nan, 2.0, 0.5, -1.0, nan, 2.0, nan, 0.5, nan, nan, -0.5];
    let (chain, _) = fit(&rows);
    let mut row = [nan, nan, nan, 0.1];
    chain.fill(&mut row);
    assert_eq!((row[1], row[2]), (0.0, 2.0));
}

#[test]
fn refusals() {
    let settings = ChainSettings::default();
    let fit = |rows: &[f32], go: bool| Chain::fit(&FIELDS, rows, &settings, &mut |_, _| go).map(|_| ());
    assert_eq!(fit(&[], true), Err(ImputeError::NoSample));
    assert_eq!(fit(&[0.0; 7], true), Err(ImputeError::Width { found: 3, wanted: 4 }));
    assert_eq!(fit(&[0.0; 8], false), Err(ImputeError::Stopped));
    let infinite = [f32::INFINITY, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0];
    assert!(matches!(fit(&infinite, true), Err(ImputeError::Singular { .. })));
}
