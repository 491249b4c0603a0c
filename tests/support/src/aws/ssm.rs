//! SSM: parameters, their types and their tiers.

use serde_json::{Value, json};

use super::{Reply, State};

/// What the tiers hold, in characters.
const STANDARD: usize = 4_096;
const ADVANCED: usize = 8_192;

/// A parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// What it holds.
    pub value: String,
    /// `String`, `StringList` or `SecureString`.
    pub kind: &'static str,
    /// `Standard` or `Advanced`.
    pub tier: &'static str,
    /// One more with every value.
    pub version: u64,
}

impl Parameter {
    /// A parameter with its third value, in the smallest tier that takes it.
    pub fn new(value: &str, kind: &'static str) -> Parameter {
        let tier = if value.chars().count() > STANDARD { "Advanced" } else { "Standard" };
        Parameter { value: value.to_owned(), kind, tier, version: 3 }
    }
}

fn invalid(message: &str) -> Reply {
    Reply::Error(400, "ValidationException", message.to_owned())
}

impl State {
    /// The ARN of a parameter, which may be named by its ARN already.
    pub(super) fn parameter_arn(&self, name: &str) -> String {
        if name.starts_with("arn:") {
            return name.to_owned();
        }
        let slash = if name.starts_with('/') { "" } else { "/" };
        format!("arn:{}:ssm:{}:{}:parameter{slash}{name}", self.partition, self.region, self.account)
    }

    pub(super) fn get_parameter(&mut self, region: &str, body: &Value) -> Reply {
        let asked = body["Name"].as_str().unwrap_or("");
        let found = self.parameters.iter().find(|(name, _)| *name == asked || self.parameter_arn(name) == asked);
        // Of a parameter that it does not have SSM says nothing but the error's name.
        let Some((name, parameter)) = found.filter(|_| region == self.region) else {
            return Reply::Error(400, "ParameterNotFound", String::new());
        };
        let readable = parameter.kind != "SecureString" || body["WithDecryption"] == json!(true);
        let value = if readable { parameter.value.clone() } else { "AQICAHhQZ3J1cDEtY2lwaGVydGV4dA==".to_owned() };
        Reply::Fine(json!({ "Parameter": {
            "Name": name,
            "Type": parameter.kind,
            "Value": value,
            "Version": parameter.version,
            "LastModifiedDate": 1_763_700_000.123,
            "ARN": self.parameter_arn(name),
            "DataType": "text",
        }}))
    }

    pub(super) fn put_parameter(&mut self, region: &str, body: &Value) -> Reply {
        let text = |key: &str| body[key].as_str().unwrap_or("").to_owned();
        let (name, value) = (text("Name"), text("Value"));
        if region != self.region {
            self.offences.push(format!("it wrote a parameter in {region}"));
        }
        if name.starts_with("arn:") || (name.contains('/') && !name.starts_with('/')) {
            return invalid("Parameter name must be a fully qualified name.");
        }
        if value.contains("{{") {
            return invalid("Parameter value can't nest another parameter. Do not use \"{{}}\" in the value.");
        }
        let live = self.parameters.get(&name);
        if live.is_some() && body["Overwrite"] != json!(true) {
            let message = "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.";
            return Reply::Error(400, "ParameterAlreadyExists", message.to_owned());
        }
        let known = ["String", "StringList", "SecureString"].into_iter().find(|kind| *kind == body["Type"]);
        let kind = match (known, live) {
            (None, None) => return invalid("A parameter type is required when you create a parameter."),
            (Some(kind), Some(live)) if kind != live.kind => {
                let message = "Parameter Store doesn't support changing a parameter type in a hierarchy.";
                return Reply::Error(400, "HierarchyTypeMismatchException", message.to_owned());
            }
            (Some(kind), _) => kind,
            (None, Some(live)) => live.kind,
        };
        let characters = value.chars().count();
        let before = live.map_or("Standard", |live| live.tier);
        let tier = match body["Tier"].as_str().unwrap_or("Standard") {
            "Advanced" => "Advanced",
            "Intelligent-Tiering" if before == "Advanced" || characters > STANDARD => "Advanced",
            _ => "Standard",
        };
        if (before, tier) == ("Advanced", "Standard") {
            return invalid(
                "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the \
                 advanced-parameter tier to the standard-parameter tier.",
            );
        }
        if !(1..=if tier == "Advanced" { ADVANCED } else { STANDARD }).contains(&characters) {
            return invalid("Standard tier parameters support a maximum parameter value of 4096 characters.");
        }
        let version = live.map_or(0, |live| live.version) + 1;
        self.parameters.insert(name, Parameter { value, kind, tier, version });
        Reply::Fine(json!({ "Version": version, "Tier": tier }))
    }
}
