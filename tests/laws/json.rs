//! JSON of any shape.

use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json};

/// Values of any shape, with the given words as keys and texts among others.
pub(crate) fn any_json(words: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        select(words).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        Just(Value::Null),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        let key = prop_oneof![4 => select(words).prop_map(str::to_owned), 1 => any::<String>()];
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec((key, inner), 0..6).prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// The value with one part of it, which the index chooses, put away or replaced.
pub(crate) fn mutated(value: &Value, at: prop::sample::Index, part: Option<Value>) -> Value {
    let count = count(value);
    let mut left = at.index(count);
    replaced(value, &mut left, part.as_ref()).unwrap_or(Value::Null)
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(values) => values.iter().map(count).sum::<usize>(),
        Value::Object(map) => map.values().map(count).sum::<usize>(),
        _ => 0,
    }
}

fn replaced(value: &Value, left: &mut usize, part: Option<&Value>) -> Option<Value> {
    let here = *left == 0;
    *left = left.wrapping_sub(1);
    if here {
        return part.cloned();
    }
    Some(match value {
        Value::Array(values) => values.iter().filter_map(|value| replaced(value, left, part)).collect(),
        Value::Object(map) => Value::Object(
            map.iter().filter_map(|(key, value)| Some((key.clone(), replaced(value, left, part)?))).collect(),
        ),
        value => value.clone(),
    })
}
