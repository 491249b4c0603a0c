//! The configuration that the parameter holds, kept for a while.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use super::{call::Deadline, parameter::ParameterClient};
use crate::{configuration::Configuration, error::Error, policy::sid::SidPrefix, repository::Registry};

/// The parameter, and the configuration that it last held.
#[derive(Debug)]
pub struct ConfigurationParameter {
    parameter: ParameterClient,
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
    /// The greater of two: the one clock can stand still while Lambda freezes the process, the other can be set back.
    fn age(&self) -> Duration {
        self.read.elapsed().max(self.read_at.elapsed().unwrap_or_default())
    }
}

impl ConfigurationParameter {
    /// The configuration in this parameter, read again when the value is older than `keep`.
    #[must_use]
    pub fn new(parameter: ParameterClient, prefix: SidPrefix, keep: Duration) -> Self {
        Self { parameter, prefix, keep, kept: Mutex::default() }
    }

    /// The configuration. An invalid one is not kept, so that its repair counts at once.
    ///
    /// # Errors
    /// Where the parameter cannot be read, or its value is not a valid configuration. What was read earlier is
    /// not used in its place.
    pub async fn configuration(&self, registry: &Registry, deadline: Deadline) -> Result<Arc<Configuration>, Error> {
        self.configuration_since(registry, SystemTime::UNIX_EPOCH, deadline).await
    }

    /// The configuration, read no earlier than `since`.
    ///
    /// # Errors
    /// As `configuration`.
    pub async fn configuration_since(
        &self,
        registry: &Registry,
        since: SystemTime,
        deadline: Deadline,
    ) -> Result<Arc<Configuration>, Error> {
        if let Some(kept) = &*self.kept()
            && kept.age() < self.keep
            && kept.read_at >= since
        {
            return Ok(Arc::clone(&kept.configuration));
        }
        let now = (Instant::now(), SystemTime::now());
        let stored = self.parameter.read(deadline).await?;
        let (configuration, warnings) = Configuration::parse(&stored.value, &self.prefix, registry)
            .map_err(|findings| Error::configuration_invalid(self.name(), &findings))?;
        for warning in &warnings.0 {
            tracing::warn!(parameter = self.name(), %warning, "configuration");
        }
        let configuration = Arc::new(configuration);
        *self.kept() = Some(Kept { configuration: Arc::clone(&configuration), read: now.0, read_at: now.1 });
        Ok(configuration)
    }

    /// How long a configuration is used that was read.
    #[must_use]
    pub fn keep(&self) -> Duration {
        self.keep
    }

    /// The parameter's name or ARN.
    #[must_use]
    pub fn name(&self) -> &str {
        self.parameter.name()
    }

    fn kept(&self) -> MutexGuard<'_, Option<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
