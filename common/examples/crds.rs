//! Prints the definitions of our kinds as one JSON object: names of files below `manifests/crds`, and what they hold.
//! `cargo xtask generate` writes them.

#![expect(clippy::print_stdout, reason = "printing is what it does")]

use std::{collections::BTreeMap, error::Error};

use arpeggio_common::api::crd;
use serde_json::{Number, Value};

const HEADER: &str = "# Made from common/src/api by `cargo xtask generate`.\n";

fn main() -> Result<(), Box<dyn Error>> {
    let mut files = BTreeMap::new();
    for definition in crd::definitions()? {
        let value = sorted(serde_json::to_value(&definition)?);
        let names = &definition.spec.names;
        let yaml = serde_saphyr::to_string(&value)?;
        files.insert(
            format!("{}_{}.yaml", definition.spec.group, names.plural),
            format!("{HEADER}{}\n", yaml.trim_end()),
        );
    }
    println!("{}", serde_json::to_string(&files)?);
    Ok(())
}

/// With keys in order, whatever features other crates ask of `serde_json`, and whole numbers without a fraction.
fn sorted(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => whole(&number).unwrap_or(Value::Number(number)),
        Value::Object(fields) => {
            let fields: BTreeMap<String, Value> = fields.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            fields.into_iter().collect()
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}

fn whole(number: &Number) -> Option<Value> {
    number.to_string().strip_suffix(".0")?.parse::<i64>().ok().map(Value::from)
}
