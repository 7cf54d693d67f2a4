//! Reads one row of somebody else's mask file (1 = missing) and says what is there, by name.
//! Run with `cargo run -p dymo-core --example missing_mask`.

use dymo_core::{Kind, Modality, ModalitySet, Schema, SchemaError};

fn main() -> Result<(), SchemaError> {
    let picture = Kind::Image { height: 64, width: 64, channels: 3 };
    let note = Kind::Text { length: 32, symbols: 71, vocabulary: None };
    let modalities =
        vec![Modality::new("front", picture.clone()), Modality::new("side", picture), Modality::new("note", note)];
    let schema = Schema::new(modalities, vec!["cat".into(), "dog".into()])?;

    let row = "0,1,0";
    let missing: Vec<bool> = row.split(',').map(|flag| flag == "1").collect();
    let present = ModalitySet::from_missing(&missing);
    for index in present.complement(schema.modalities().len()) {
        println!("missing: {}", schema.modalities()[index].name());
    }
    for index in present {
        let modality = &schema.modalities()[index];
        println!("present: {}, {} values", modality.name(), modality.kind().values());
    }
    Ok(())
}
