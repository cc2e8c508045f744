//! The OpenAPI description as a judge of real answers. Must not know: what any route means.

use serde_json::{Value, json};

/// The description, made stricter than it is: an object with named fields has no others.
pub struct Contract(Value);

impl Contract {
    /// Of `/api/v1/openapi.json`.
    pub fn of(mut document: Value) -> Contract {
        assert_eq!(document["openapi"], "3.1.0");
        close(&mut document);
        Contract(document)
    }

    /// What is wrong with an answer of this route; nothing where all is well. Panics where the route or the status is not described.
    pub fn faults(&self, method: &str, path: &str, status: u16, answer: &Value) -> Vec<String> {
        let responses = &self.0["paths"][path][method]["responses"];
        let (response, media) = match status {
            200 => (&responses["200"], "application/json"),
            _ => (&responses["default"], "application/problem+json"),
        };
        self.judge(&response["content"][media]["schema"], answer, &format!("{method} {path} {status}"))
    }

    /// What is wrong with a body sent to this route.
    pub fn body_faults(&self, method: &str, path: &str, body: &Value) -> Vec<String> {
        let schema = &self.0["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"];
        self.judge(schema, body, &format!("body of {method} {path}"))
    }

    fn judge(&self, schema: &Value, value: &Value, what: &str) -> Vec<String> {
        assert!(schema.is_object(), "{what} is not described");
        let root = json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "allOf": [schema], "components": self.0["components"]});
        let judge =
            jsonschema::validator_for(&root).unwrap_or_else(|error| panic!("{what}: the schema itself is wrong: {error}"));
        judge.iter_errors(value).map(|error| format!("{what}: {} {error}", error.instance_path())).collect()
    }
}

fn close(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(close);
            if fields.get("properties").is_some_and(Value::is_object) && fields.get("type") == Some(&json!("object")) {
                fields.entry("additionalProperties").or_insert(json!(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}
