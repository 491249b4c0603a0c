//! The configuration that the parameter holds, kept for a while.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use super::{
    call::Deadline,
    parameter::{ParameterClient, Stored},
};
use crate::{
    configuration::{Configuration, Findings},
    error::Error,
    policy::sid::SidPrefix,
    repository::Registry,
};

/// The parameter, and the configuration that it last held.
#[derive(Debug)]
pub struct ConfigurationParameter {
    parameter: ParameterClient,
    prefix: SidPrefix,
    keep: Duration,
    kept: Mutex<Option<Kept<Arc<Configuration>>>>,
    /// What was read before it was known for which registry.
    fetched: Mutex<Option<Kept<Stored>>>,
}

/// A value, and when it was read.
#[derive(Clone, Debug)]
struct Kept<T> {
    value: T,
    read: Instant,
    read_at: SystemTime,
}

impl<T> Kept<T> {
    fn is_usable(&self, keep: Duration, since: SystemTime) -> bool {
        self.age() < keep && self.read_at >= since
    }

    /// The greater of two: the one clock can stand still while Lambda freezes the process, the other can be set back.
    fn age(&self) -> Duration {
        self.read.elapsed().max(self.read_at.elapsed().unwrap_or_default())
    }
}

impl ConfigurationParameter {
    /// The configuration in this parameter, read again when the value is older than `keep`.
    #[must_use]
    pub fn new(parameter: ParameterClient, prefix: SidPrefix, keep: Duration) -> Self {
        Self { parameter, prefix, keep, kept: Mutex::default(), fetched: Mutex::default() }
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
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(kept) = kept.filter(|kept| kept.is_usable(self.keep, since)) {
            return Ok(kept.value);
        }
        let fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner).take();
        let fetched = fetched.filter(|fetched| fetched.is_usable(self.keep, since));
        let parse = |stored: &Stored| {
            let told = |findings: Findings| if stored.is_secure() { findings.without_words() } else { findings };
            match Configuration::parse(&stored.value, &self.prefix, registry) {
                Ok((configuration, warnings)) => Ok((configuration.kept_secret(stored.is_secure()), told(warnings))),
                Err(findings) => Err(told(findings)),
            }
        };
        // A mistake that was read ahead may be repaired by now.
        let ahead = fetched.and_then(|fetched| Some((parse(&fetched.value).ok()?, fetched)));
        let ((configuration, warnings), Kept { read, read_at, .. }) = match ahead {
            Some(ahead) => ahead,
            None => {
                let now = self.read(deadline).await?;
                let invalid = |findings| Error::configuration_invalid(self.name(), &findings);
                (parse(&now.value).map_err(invalid)?, now)
            }
        };
        for warning in &warnings.0 {
            tracing::warn!(parameter = self.name(), %warning, "configuration");
        }
        let value = Arc::new(configuration);
        let kept = Kept { value: Arc::clone(&value), read, read_at };
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        Ok(value)
    }

    /// Reads the parameter ahead of the first event. If that fails, the event reads it.
    pub async fn fetch(&self, deadline: Deadline) {
        if self.keep.is_zero() {
            return;
        }
        match self.read(deadline).await {
            Ok(read) => *self.fetched.lock().unwrap_or_else(PoisonError::into_inner) = Some(read),
            Err(error) => tracing::debug!(%error, "the parameter was not read ahead"),
        }
    }

    async fn read(&self, deadline: Deadline) -> Result<Kept<Stored>, Error> {
        let (read, read_at) = (Instant::now(), SystemTime::now());
        Ok(Kept { value: self.parameter.read(deadline).await?, read, read_at })
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
}
