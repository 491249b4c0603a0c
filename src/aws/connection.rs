//! How the services are reached: credentials, Region, endpoints, certificates.

#[cfg(feature = "cli")]
mod profile;
mod variables;

use std::time::Duration;

use aws_sdk_ecr::config::timeout::TimeoutConfig;
use aws_types::SdkConfig;

use super::http::Http;

#[cfg(feature = "cli")]
pub use profile::Origin;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Credentials, Region, endpoints and HTTP client.
#[derive(Clone, Debug)]
pub struct Connection {
    pub(super) config: SdkConfig,
    pub(super) http: Http,
}

impl Connection {
    /// What the SDK made of it all.
    #[must_use]
    pub fn sdk_config(&self) -> &SdkConfig {
        &self.config
    }
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).build()
}
