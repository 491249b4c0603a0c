//! The configuration's JSON Schema, with which an editor completes and checks it.
//!
//! The types here say what may be written; what they cannot say (that names are unique, who gets in) the findings
//! do. The variables of each template are taken from the templates themselves.

#![expect(dead_code, clippy::large_enum_variant, reason = "these types are only described, never built")]

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, generate::SchemaSettings, json_schema, transform::RecursiveTransform};
use serde_json::{Map, Value, json};

use crate::policy::{
    access::AccessLevel,
    kind::Kind,
    template::{Template, Variable},
};

/// The schema, in JSON Schema's draft 2020-12.
#[must_use]
pub fn json_schema() -> Schema {
    SchemaSettings::draft2020_12()
        .with_transform(RecursiveTransform(without_null))
        .into_generator()
        .into_root_schema_for::<Configuration>()
}

/// Which repositories of the registry get which policy: the value of the parameter that ecr-autopolicy reads.
#[derive(JsonSchema)]
#[schemars(untagged, example = examples().rules, example = examples().one_rule, example = examples().policy)]
enum Configuration {
    /// Rules, each for some of the repositories. Their statements add up.
    Rules(Rules),
    /// One rule alone.
    OneRule(OneRule),
    /// A policy document for every repository.
    Policy(PolicyDocument),
}

/// Rules, each for some of the repositories. Their statements add up.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Rules {
    /// The rules. An empty list means that no repository gets a policy.
    rules: Vec<Rule>,
    #[schemars(default)]
    on_existing_policy: OnExistingPolicy,
    /// Whether a statement may open a repository to everyone in the world.
    #[schemars(default)]
    allow_public: bool,
}

/// One rule alone.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, transform = either_template_or_policy, transform = templates)]
struct OneRule {
    name: Option<Name>,
    repositories: Option<Patterns>,
    except: Option<Patterns>,
    tags: Option<TagPatterns>,
    template: Option<String>,
    /// The template's variables.
    with: Option<Map<String, Value>>,
    policy: Option<PolicyDocument>,
    #[schemars(default)]
    on_existing_policy: OnExistingPolicy,
    /// Whether a statement may open a repository to everyone in the world.
    #[schemars(default)]
    allow_public: bool,
}

/// Which repositories, and what they get.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, transform = either_template_or_policy, transform = templates)]
struct Rule {
    name: Option<Name>,
    repositories: Option<Patterns>,
    except: Option<Patterns>,
    tags: Option<TagPatterns>,
    template: Option<String>,
    /// The template's variables.
    with: Option<Map<String, Value>>,
    policy: Option<PolicyDocument>,
}

/// The rule's name, part of each of its statement ids. Unique, and required where there is more than one rule.
#[derive(JsonSchema)]
struct Name(#[schemars(regex(pattern = r"^[A-Za-z0-9]+$"))] String);

/// Patterns of repository names: `*` stands for any run of characters, `/` included, and `?` for one.
#[derive(JsonSchema)]
#[schemars(example = ["team/*"])]
struct Patterns(#[schemars(length(min = 1), inner(regex(pattern = r"^[a-z0-9*?][a-z0-9._/*?-]*$")))] Vec<String>);

/// Patterns of values by tag key, all of which the repository's tags must match.
#[derive(JsonSchema)]
#[schemars(example = json!({"team": "pay*"}), extend("minProperties" = 1))]
struct TagPatterns(BTreeMap<String, String>);

/// What is done with a policy that holds statements which are not ours: keep them beside ours, leave the policy
/// alone, or replace them.
#[derive(JsonSchema, Default, serde::Serialize)]
#[schemars(rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
enum OnExistingPolicy {
    #[default]
    Merge,
    Skip,
    Replace,
}

/// A policy document. `${registry_id}`, `${repository_name}`, `${repository_arn}`, `${region}` and `${partition}`
/// are replaced; IAM's own variables stay as they are.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "PascalCase")]
struct PolicyDocument {
    version: Option<Version>,
    /// Not used: a repository's policy keeps the id that it has.
    id: Option<Value>,
    statement: OneOrMany<Statement>,
}

/// The version of the policy language.
#[derive(JsonSchema)]
enum Version {
    #[schemars(rename = "2012-10-17")]
    Current,
    #[schemars(rename = "2008-10-17")]
    Old,
}

/// A statement. It has no `Resource`: a repository policy is always about its own repository.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "PascalCase", transform = one_of_each_pair)]
struct Statement {
    /// Letters and digits. The statement's full id has the prefix and the rule's name before it.
    #[schemars(regex(pattern = r"^[A-Za-z0-9]+$"))]
    sid: Option<String>,
    effect: Effect,
    principal: Option<Principal>,
    not_principal: Option<PrincipalKinds>,
    action: Option<OneOrMany<Action>>,
    not_action: Option<OneOrMany<Action>>,
    condition: Option<BTreeMap<String, BTreeMap<String, OneOrMany<ConditionValue>>>>,
}

#[derive(JsonSchema)]
enum Effect {
    Allow,
    Deny,
}

/// Who: everyone, or some by kind.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Principal {
    Everyone(Everyone),
    Some(PrincipalKinds),
}

#[derive(JsonSchema)]
enum Everyone {
    #[schemars(rename = "*")]
    Everyone,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "PascalCase", extend("minProperties" = 1))]
struct PrincipalKinds {
    /// Accounts, roles and users.
    #[schemars(rename = "AWS")]
    aws: Option<OneOrMany<String>>,
    /// Services, as `codebuild.amazonaws.com`.
    service: Option<OneOrMany<String>>,
    /// Identity providers.
    federated: Option<OneOrMany<String>>,
}

/// An action of ECR, as `ecr:BatchGetImage`, or a pattern of several.
#[derive(JsonSchema)]
struct Action(#[schemars(regex(pattern = r"^(\*|[Ee][Cc][Rr]:[A-Za-z*?]+)$"))] String);

#[derive(JsonSchema)]
#[schemars(untagged)]
enum ConditionValue {
    Text(String),
    Truth(bool),
    Number(f64),
}

#[derive(JsonSchema)]
#[schemars(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(#[schemars(length(min = 1))] Vec<T>),
}

struct Examples {
    rules: Value,
    one_rule: Value,
    policy: Value,
}

fn examples() -> Examples {
    let workloads = json!({"org_paths": ["o-a1b2c3d4e5/*/ou-ab12-cd34ef56/*"]});
    Examples {
        rules: json!({
            "rules": [
                {"name": "Workloads", "except": ["sandbox/*"], "template": "organization-ou", "with": workloads},
                {
                    "name": "CiPush",
                    "repositories": ["ci-cache/*"],
                    "template": "account-list",
                    "with": {"accounts": ["444455556666"], "access": "Push"},
                },
            ],
            "on_existing_policy": "merge",
        }),
        one_rule: json!({"template": "organization-ou", "with": workloads}),
        policy: json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Sid": "AllowPull",
                "Effect": "Allow",
                "Principal": {"AWS": ["444455556666"]},
                "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            }],
        }),
    }
}

/// What may be left out may not be `null` for that.
fn without_null(schema: &mut Schema) {
    if let Some(types) = schema.get_mut("type").and_then(Value::as_array_mut) {
        types.retain(|name| name != "null");
        if let [name] = types.as_slice() {
            let name = name.clone();
            schema.insert("type".to_owned(), name);
        }
    }
    if let Some(choices) = schema.get_mut("anyOf").and_then(Value::as_array_mut) {
        choices.retain(|choice| *choice != json!({"type": "null"}));
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            schema.remove("anyOf");
            only.into_iter().for_each(|(key, value)| {
                schema.insert(key, value);
            });
        }
    }
}

fn either_template_or_policy(schema: &mut Schema) {
    schema.insert(
        "oneOf".to_owned(),
        json!([{"required": ["template"]}, {"required": ["policy"], "not": {"required": ["with"]}}]),
    );
}

fn one_of_each_pair(schema: &mut Schema) {
    let pair = |element: &str, negated: &str| json!({"oneOf": [{"required": [element]}, {"required": [negated]}]});
    let pairs = json!([pair("Principal", "NotPrincipal"), pair("Action", "NotAction")]);
    schema.insert("allOf".to_owned(), pairs);
}

/// Each template's name with its description, and what may stand in `with` beside it.
fn templates(schema: &mut Schema) {
    let known = Template::names().filter_map(|name| Some((name, Template::named(name)?))).collect::<Vec<_>>();
    let names = known.iter().map(|(name, template)| json!({"const": name, "description": template.description}));
    if let Some(property) = schema.pointer_mut("/properties/template") {
        *property =
            json!({"description": "The template whose statements they get.", "oneOf": names.collect::<Vec<_>>()});
    }
    let filled = known.iter().map(|(name, template)| {
        let required = template.variables.iter().filter(|(_, variable)| variable.default.is_none());
        let required = required.map(|(name, _)| name).collect::<Vec<_>>();
        let properties = template.variables.iter().map(|(name, variable)| (name.clone(), variable_schema(variable)));
        let with = json!({
            "properties": properties.collect::<Map<_, _>>(),
            "required": required,
            "additionalProperties": false,
        });
        let beside = if required.is_empty() { json!([]) } else { json!(["with"]) };
        json!({
            "if": {"properties": {"template": {"const": name}}, "required": ["template"]},
            "then": {"properties": {"with": with}, "required": beside},
        })
    });
    schema.insert("allOf".to_owned(), Value::Array(filled.collect()));
}

fn variable_schema(variable: &Variable) -> Value {
    let value = kind_schema(variable.kind);
    let mut schema = match variable.list {
        true => json_schema!({"type": "array", "items": value, "minItems": 1}),
        false => value,
    };
    schema.insert("description".to_owned(), Value::String(variable.description.clone()));
    // A default that is an empty list cannot be written out, only left out.
    if let Some(default) = variable.default.clone().filter(|default| default != &json!([])) {
        schema.insert("default".to_owned(), default);
    }
    schema.to_value()
}

fn kind_schema(kind: Kind) -> Schema {
    let pattern = |pattern: &str| json_schema!({"type": "string", "pattern": pattern, "examples": [kind.example()]});
    match kind {
        Kind::Account => pattern(r"^[0-9]{12}$"),
        Kind::OrgId => pattern(r"^o-[a-z0-9]{10,32}$"),
        Kind::OrgPath => {
            pattern(r"^o-[a-z0-9]{10,32}/((\*|r-[0-9a-z]{4,32})/((\*|ou-[0-9a-z]{4,32}-[a-z0-9]{8,32})/)*)?\*?$")
        }
        Kind::Principal => pattern(
            r"^([0-9]{12}|arn:aws[a-z-]*:(iam|sts)::[0-9]{12}:(root|(role|user|assumed-role|federated-user)/[^*?\s]+))$",
        ),
        Kind::Service => pattern(r"^[a-z0-9.-]+\.amazonaws\.com(\.cn)?$"),
        Kind::Cidr => pattern(r"^[0-9a-fA-F:.]+(/[0-9]{1,3})?$"),
        Kind::AccessLevel => {
            let levels = AccessLevel::names()
                .filter_map(|name| Some(json!({"const": name, "description": AccessLevel::named(name)?.description})));
            json_schema!({"oneOf": levels.collect::<Vec<_>>()})
        }
        Kind::Text => json_schema!({"type": "string"}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Run with `UPDATE=1` to write the file anew.
    #[test]
    fn the_published_schema_is_the_one_that_the_types_say() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.schema.json");
        let schema = serde_json::to_string_pretty(&json_schema()).unwrap() + "\n";
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &schema).unwrap();
        }
        let published = std::fs::read_to_string(path).unwrap();
        assert!(published == schema, "docs/configuration.schema.json is stale: run this test with UPDATE=1");
    }
}
