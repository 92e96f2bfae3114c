//! The JSON Schema of the file, made from its types.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::file::File;

/// The schema as a value.
pub fn value() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<File>().to_value()
}

/// The schema as text, for `weir schema`.
pub fn schema() -> String {
    let mut text = serde_json::to_string_pretty(&value()).unwrap_or_default();
    text.push('\n');
    text
}
