//! Prints the first two levels of a file: `cargo run -p dymo-pickle --example list -- checkpoint.ckpt`.

use dymo_pickle::{PickleFile, Value};

fn line(value: Value<'_>) -> String {
    if let Some(tensor) = value.as_tensor() {
        return format!("{:?} {:?}", tensor.element(), tensor.shape());
    }
    if let Some(name) = value.other_numbers() {
        return format!("a tensor of {name}");
    }
    let number = value.as_f64().map(|v| v.to_string());
    let text = value.as_str().map(|v| format!("{v:?}"));
    let object = value.class_name().map(|name| format!("<{name}>"));
    let entries = value.entries().count();
    number.or(text).or(object).unwrap_or_else(|| format!("{entries} entries, {} items", value.items().len()))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("name a file")?;
    let bytes = std::fs::read(path)?;
    let file = PickleFile::read(&bytes)?;
    for (key, value) in file.root().entries() {
        println!("{}: {}", line(key), line(value));
        for (key, value) in value.entries() {
            println!("    {}: {}", line(key), line(value));
        }
    }
    Ok(())
}
