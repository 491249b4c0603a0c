//! SSM: the parameter that holds the configuration.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use aws_config::Region;
use aws_sdk_ssm::{Client, Config, error::ProvideErrorMetadata, operation::get_parameter::GetParameterError};
use tokio::time::Instant;

use super::{
    call::{Call, Deadline},
    connection::{Connection, retry_partition},
};
use crate::{configuration::Configuration, error::Error, policy::sid::SidPrefix, repository::Registry};

/// The parameter, and the configuration that it last held.
#[derive(Debug)]
pub struct ConfigurationParameter {
    client: Client,
    name: String,
    prefix: SidPrefix,
    keep: Duration,
    kept: Mutex<Option<Kept>>,
}

#[derive(Debug)]
struct Kept {
    configuration: Arc<Configuration>,
    read: Instant,
    read_at: SystemTime,
}

impl Kept {
    fn now(configuration: Arc<Configuration>) -> Self {
        Self { configuration, read: Instant::now(), read_at: SystemTime::now() }
    }

    /// The greater of two: the one clock can stand still while Lambda freezes the process, the other can be set back.
    fn age(&self) -> Duration {
        self.read.elapsed().max(self.read_at.elapsed().unwrap_or_default())
    }
}

impl ConfigurationParameter {
    /// The parameter of that name or ARN, read again when the value is older than `keep`.
    #[must_use]
    pub fn new(connection: &Connection, name: String, prefix: SidPrefix, keep: Duration) -> Self {
        let mut config = aws_sdk_ssm::config::Builder::from(&connection.config).retry_partition(retry_partition());
        // SSM knows an ARN only in the Region that it names.
        if let Some(region) = name.strip_prefix("arn:").and_then(|arn| arn.split(':').nth(2)) {
            config = config.region(Region::new(region.to_owned()));
        }
        Self { client: Client::from_conf(config.build()), name, prefix, keep, kept: Mutex::default() }
    }

    /// The configuration. An invalid one is not kept, so that its repair counts at once.
    ///
    /// # Errors
    /// Where the parameter cannot be read, or its value is not a valid configuration. What was read earlier is
    /// not used in its place.
    pub async fn configuration(&self, registry: &Registry, deadline: Deadline) -> Result<Arc<Configuration>, Error> {
        if let Some(kept) = &*self.kept()
            && kept.age() < self.keep
        {
            return Ok(Arc::clone(&kept.configuration));
        }
        let text = self.read(deadline).await?;
        let (configuration, warnings) = Configuration::parse(&text, &self.prefix, registry)
            .map_err(|findings| Error::configuration_invalid(&self.name, &findings))?;
        for warning in &warnings.0 {
            tracing::warn!(parameter = self.name, %warning, "configuration");
        }
        let configuration = Arc::new(configuration);
        *self.kept() = Some(Kept::now(Arc::clone(&configuration)));
        Ok(configuration)
    }

    /// The parameter's name or ARN.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    async fn read(&self, deadline: Deadline) -> Result<String, Error> {
        let call = Call::new("ssm:GetParameter", &self.name, deadline).allowed_by(
            "allow it in the policy of the function's role, and `kms:Decrypt` too where the parameter is a SecureString \
             under a key of your own",
        );
        let answer = self
            .client
            .get_parameter()
            .name(&self.name)
            .with_decryption(true)
            .customize()
            .config_override(Config::builder().timeout_config(call.timeouts()))
            .interceptor(call.watch::<GetParameterError>())
            .send()
            .await;
        let missing = |reason: &str| Error::ConfigurationMissing {
            reason: format!("the parameter `{}` {reason}", self.name),
            remedy: r#"create it, with the value `{"rules": []}` for no rules"#.to_owned(),
        };
        match answer {
            Ok(answer) => answer.parameter.and_then(|parameter| parameter.value).ok_or_else(|| missing("has no value")),
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

    fn kept(&self) -> MutexGuard<'_, Option<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
