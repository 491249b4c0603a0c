//! SSM: a parameter.

use aws_sdk_ssm::{
    Client,
    config::Region,
    error::ProvideErrorMetadata,
    operation::get_parameter::GetParameterError,
    types::{Parameter, ParameterType},
};

use super::{
    call::{Call, Deadline},
    connection::Connection,
    pacer::Pacer,
};
use crate::error::Error;

/// One parameter.
#[derive(Debug)]
pub struct ParameterClient {
    client: Client,
    pacer: Pacer,
    name: String,
}

/// What a parameter holds.
#[derive(Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its value.
    pub value: String,
    /// Its type, as SSM names it.
    pub kind: String,
}

impl Stored {
    /// Whether it is a SecureString, whose value is for nobody else to see.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.kind == ParameterType::SecureString.as_str()
    }
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stored").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl ParameterClient {
    /// The parameter of that name or ARN.
    #[must_use]
    pub fn new(connection: &Connection, name: String) -> Self {
        let mut config = aws_sdk_ssm::config::Builder::from(&connection.config);
        // SSM knows an ARN only in the Region that it names.
        if let Some(region) = name.strip_prefix("arn:").and_then(|arn| arn.split(':').nth(2)) {
            config = config.region(Region::new(region.to_owned()));
        }
        Self { client: Client::from_conf(config.build()), pacer: Pacer::new(), name }
    }

    /// The parameter's name or ARN.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the parameter holds, decrypted.
    ///
    /// # Errors
    /// Where there is no such parameter, or it cannot be read.
    pub async fn read(&self, deadline: Deadline) -> Result<Stored, Error> {
        let call = Call::new("ssm:GetParameter", &self.name, deadline).allowed_by(
            "allow it in the policy of the role that makes the call, and `kms:Decrypt` too where the parameter is a SecureString \
             under a key of your own",
        );
        let request = self.client.get_parameter().name(&self.name).with_decryption(true);
        let answer = call.send(&self.pacer, async || request.clone().send().await).await;
        let missing = |reason: &str| Error::ConfigurationMissing {
            reason: format!("the parameter `{}` {reason}", self.name),
            remedy: r#"create it, with the value `{"rules": []}` for no rules"#.to_owned(),
        };
        match answer {
            Ok(answer) => answer.parameter.and_then(stored).ok_or_else(|| missing("has no value")),
            Err(error) => Err(match error.as_service_error() {
                Some(GetParameterError::ParameterNotFound(_)) => missing("does not exist"),
                Some(GetParameterError::ParameterVersionNotFound(_)) => missing("has no such version"),
                Some(refusal) if refusal.code() == Some("ValidationException") => Error::ConfigurationMissing {
                    reason: format!(
                        "`{}` cannot name a parameter: {}",
                        self.name,
                        refusal.message().unwrap_or_default()
                    ),
                    remedy: "set `POLICY_PARAMETER` to the name or ARN of the parameter".to_owned(),
                },
                _ => call.explain(&error),
            }),
        }
    }
}

fn stored(parameter: Parameter) -> Option<Stored> {
    let kind = parameter.r#type.unwrap_or(ParameterType::String);
    Some(Stored { value: parameter.value?, kind: kind.as_str().to_owned() })
}
