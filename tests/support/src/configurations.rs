//! Valid configurations: every template with every kind of value, documents, rules, names and tags.

use ecr_autopolicy::policy::{
    kind::Kind,
    template::{Template, Variable},
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Map, Value, json};

use crate::documents::a_document;

/// Ids that are good, or different, in some registries only.
const SIDS: [&str; 4] = ["Own${registry_id}", "Own444455556666", "In${partition}", "Inaws"];

/// A configuration as an operator could write it, though it may not be right.
pub fn a_configuration() -> impl Strategy<Value = Value> {
    let one = (a_rule(), the_settings()).prop_map(|(rule, settings)| joined([rule, settings]));
    let rules = vec(a_rule(), 0..4).prop_map(|rules| {
        let named = rules.into_iter().zip(["A", "Ab", "Rule3"]);
        let named = named.map(|(rule, name)| Value::Object(joined_map([rule, json!({ "name": name })])));
        json!({ "rules": named.collect::<Vec<_>>() })
    });
    let rules = (rules, the_settings()).prop_map(joined_pair);
    prop_oneof![3 => one, 6 => rules, 2 => a_policy()]
}

fn a_policy() -> impl Strategy<Value = Value> {
    prop_oneof![
        2 => a_document("[A-Za-z0-9]{1,8}"),
        1 => a_document(select(&SIDS[..]).prop_map(str::to_owned)),
    ]
}

fn the_settings() -> impl Strategy<Value = Value> {
    let mode = option::of(select(vec!["merge", "skip", "replace"]));
    (mode, option::of(any::<bool>())).prop_map(|(mode, public)| {
        let mode = mode.map(|mode| ("on_existing_policy".to_owned(), json!(mode)));
        let public = public.map(|public| ("allow_public".to_owned(), json!(public)));
        Value::Object(mode.into_iter().chain(public).collect())
    })
}

fn a_rule() -> impl Strategy<Value = Value> {
    let patterns = || option::weighted(0.3, vec(select(vec!["*", "team/*", "ci-cache/*", "0?", "*/app"]), 1..3));
    let tags = option::weighted(0.2, select(vec![json!({ "team": "pay*" }), json!({ "team": "?*", "stage": "prod" })]));
    let grant = prop_oneof![
        3 => a_grant_by_template(),
        2 => a_policy().prop_map(|policy| json!({ "policy": policy })),
    ];
    (patterns(), patterns(), tags, grant).prop_map(|(repositories, except, tags, grant)| {
        let optional = [("repositories", json!(repositories)), ("except", json!(except)), ("tags", json!(tags))];
        let optional = optional.into_iter().filter(|(_, value)| !value.is_null());
        let optional = optional.map(|(key, value)| (key.to_owned(), value)).collect();
        joined([grant, Value::Object(optional)])
    })
}

/// Any template, whichever there are, and for each of its variables a value of its kind.
pub fn a_grant_by_template() -> BoxedStrategy<Value> {
    let names = Template::names().collect::<Vec<_>>();
    select(names)
        .prop_flat_map(|name| {
            let variables = Template::named(name).map(|template| template.variables).unwrap_or_default();
            let values = variables.into_iter().map(|(name, variable)| a_binding(name, &variable)).collect::<Vec<_>>();
            values.prop_map(move |values| {
                let with = values.into_iter().flatten().collect::<Map<_, _>>();
                if with.is_empty() { json!({ "template": name }) } else { json!({ "template": name, "with": with }) }
            })
        })
        .boxed()
}

fn a_binding(name: String, variable: &Variable) -> BoxedStrategy<Option<(String, Value)>> {
    let value = select(values(variable.kind)).prop_map(Value::from);
    let value = if variable.list { vec(value, 1..4).prop_map(Value::from).boxed() } else { value.boxed() };
    let value = value.prop_map(move |value| (name.clone(), value));
    if variable.default.is_some() { option::of(value).boxed() } else { value.prop_map(Some).boxed() }
}

fn values(kind: Kind) -> Vec<&'static str> {
    match kind {
        Kind::Account => vec!["111122223333", "444455556666", "000000000000"],
        Kind::OrgId => vec!["o-a1b2c3d4e5", "o-z9y8x7w6v5u4"],
        Kind::OrgPath => {
            vec!["o-a1b2c3d4e5/*", "o-a1b2c3d4e5/*/ou-ab12-cd34ef56/*", "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/"]
        }
        Kind::Principal => {
            vec!["444455556666", "arn:aws:iam::444455556666:root", "arn:aws:iam::444455556666:user/team/ada"]
        }
        Kind::Service => vec!["codebuild.amazonaws.com", "lambda.amazonaws.com"],
        Kind::Cidr => vec!["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"],
        Kind::AccessLevel => vec!["Pull", "Push", "PullPush", "Read", "Full"],
        Kind::Text => vec!["text", "*"],
    }
}

fn joined<const N: usize>(values: [Value; N]) -> Value {
    Value::Object(joined_map(values))
}

fn joined_pair((one, other): (Value, Value)) -> Value {
    joined([one, other])
}

fn joined_map<const N: usize>(values: [Value; N]) -> Map<String, Value> {
    values.into_iter().filter_map(|value| value.as_object().cloned()).flatten().collect()
}
