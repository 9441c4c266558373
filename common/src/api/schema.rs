//! Schemas of types that are not ours, in our words, and what Kubernetes demands of every schema.

use kube::core::schema::StructuralSchemaRewriter;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// Key under which a type gives a default that the API server is to fill in; `#[serde(default)]` alone is for readers.
const DEFAULT: &str = "x-default";

/// The rule of a field that stays as it was first written (`x-kubernetes-validations`). `what` is the subject of a sentence.
pub(super) fn unchangeable(what: &str) -> Value {
    json!([{
        "rule": "self == oldSelf",
        "message": format!("{what} cannot be changed; delete the object and create another one"),
    }])
}

/// Selects objects by their labels. Everything that is asked for has to hold; an empty selector selects all objects.
#[derive(JsonSchema)]
#[schemars(extend("x-kubernetes-map-type" = "atomic"), inline)]
#[expect(dead_code, reason = "only its schema is used; values are read as Kubernetes' own type")]
#[serde(rename_all = "camelCase")]
pub(super) struct Selector {
    /// Labels with exactly these values.
    match_labels: Option<std::collections::BTreeMap<String, String>>,
    /// Conditions on labels.
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    match_expressions: Option<Vec<Expression>>,
}

/// A condition on one label.
#[derive(JsonSchema)]
#[schemars(inline)]
#[expect(dead_code, reason = "only its schema is used; values are read as Kubernetes' own type")]
struct Expression {
    /// Key of the label.
    key: String,
    /// In: the label has one of the values. NotIn: it has none of them, or is missing. Exists: it is there, whatever its value.
    /// DoesNotExist: it is missing.
    operator: String,
    /// What In and NotIn compare with; at least one value for these, none for the others.
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    values: Option<Vec<String>>,
}

/// One thing that holds or does not.
#[derive(JsonSchema)]
#[schemars(inline)]
#[expect(dead_code, reason = "only its schema is used; values are read as Kubernetes' own type")]
#[serde(rename_all = "camelCase")]
pub(super) struct Condition {
    /// What it is about.
    #[schemars(length(min = 1, max = 316))]
    r#type: String,
    /// True, False or Unknown.
    #[schemars(extend("enum" = ["True", "False", "Unknown"]))]
    status: String,
    /// Why, in one word for programs.
    #[schemars(length(min = 1, max = 1024))]
    reason: String,
    /// Why, in a sentence for people.
    #[schemars(length(max = 32768))]
    message: String,
    /// When the status last changed.
    #[schemars(extend("format" = "date-time"))]
    last_transition_time: String,
    /// The generation of the object that this was found for.
    #[schemars(range(min = 0))]
    observed_generation: Option<i64>,
}

/// The schema of a type as a definition of a kind wants it: structural, nothing by reference, no `null`. A `null` is dropped by
/// the API server where the schema does not allow it, which is what clients written in Go mean by it.
pub(super) fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::openapi3().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let generator = settings.with_transform(StructuralSchemaRewriter).into_generator();
    plain(generator.into_root_schema_for::<T>().to_value())
}

/// Without what only generators know: titles, defaults of readers, `null` as one of two alternatives.
fn plain(schema: Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let mut fields = fields;
            if let Some(Value::Array(alternatives)) = fields.get("anyOf").cloned() {
                let real: Vec<Value> = alternatives.into_iter().filter(|one| !is_null(one)).collect();
                if let [Value::Object(one)] = real.as_slice() {
                    fields.remove("anyOf");
                    for (key, value) in one {
                        fields.entry(key.clone()).or_insert_with(|| value.clone());
                    }
                }
            }
            Value::Object(fields.into_iter().filter_map(|(key, value)| keyword(key, value)).collect())
        }
        Value::Array(items) => items.into_iter().map(plain).collect(),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").is_some_and(|kind| kind == "null")
        || schema.get("enum").is_some_and(|only| *only == serde_json::json!([null]))
}

fn keyword(key: String, value: Value) -> Option<(String, Value)> {
    match (key.as_str(), value) {
        (_, Value::Null) | ("nullable" | "title" | "default", _) => None,
        (DEFAULT, value) => Some(("default".to_owned(), value)),
        ("description", Value::String(text)) => Some((key, Value::String(one_line(&text)))),
        // Names of fields are not keywords: a field may be called `default`.
        ("properties", Value::Object(fields)) => {
            let fields: Map<String, Value> = fields.into_iter().map(|(name, schema)| (name, plain(schema))).collect();
            Some((key, Value::Object(fields)))
        }
        (_, value) => Some((key, plain(value))),
    }
}

/// Paragraphs stay, line ends within them go.
pub(super) fn one_line(text: &str) -> String {
    let paragraph = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.trim().split("\n\n").map(paragraph).collect::<Vec<_>>().join("\n\n")
}
