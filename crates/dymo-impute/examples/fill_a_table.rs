//! Means against chained regressions on a made-up table: `cargo run -p dymo-impute --example fill_a_table`.

use dymo_impute::{Chain, ChainSettings, Field, ImputeError};

fn main() -> Result<(), ImputeError> {
    // Height and weight go together, and so does the size of the shirt.
    let person = |i: u16| {
        let height = f32::from(i % 21) / 10.0 - 1.0;
        let weight = 0.8 * height + f32::from(i % 5) / 20.0 - 0.1;
        let shirt = if height < -0.4 {
            0.0
        } else if height < 0.4 {
            1.0
        } else {
            2.0
        };
        [height, weight, shirt]
    };
    let mut rows: Vec<f32> = (0..500).flat_map(person).collect();
    rows.iter_mut().skip(1).step_by(7).for_each(|cell| *cell = f32::NAN);
    let fields = [Field::Number, Field::Number, Field::Categories(3)];
    let chain = Chain::fit(&fields, &rows, &ChainSettings::default(), &mut |_, round| {
        println!("round {}: moved by {:.4} at most", round.round, round.largest_move);
        true
    })?;
    let mut tall = [0.9, f32::NAN, f32::NAN];
    chain.fill(&mut tall);
    println!("a tall one: {tall:?}; the middle of all: {:?}", chain.centre());
    Ok(())
}
