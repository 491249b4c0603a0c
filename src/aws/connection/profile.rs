//! As every AWS tool finds them: in the environment, and in AWS's own files.

use std::path::PathBuf;

use aws_config::{
    BehaviorVersion, Region, profile::ProfileFileCredentialsProvider, provider_config::ProviderConfig,
    retry::RetryConfig,
};

use super::{Connection, timeouts};
use crate::aws::http::{CertificatesUnusable, Trust};

/// What the user says of the connection; the rest is in the environment and in AWS's own files.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// A file of certificates to trust in place of the system's, which themselves can be set by `SSL_CERT_FILE`.
    pub ca_bundle: Option<PathBuf>,
    /// The profile of AWS's configuration files to use.
    pub profile: Option<String>,
    /// The Region.
    pub region: Option<String>,
}

impl Connection {
    /// Reads the SDK's own settings.
    ///
    /// # Errors
    /// Where the file of certificates cannot be read, or holds none.
    pub async fn open(origin: Origin) -> Result<Self, CertificatesUnusable> {
        let Origin { ca_bundle, profile, region } = origin;
        let http = ca_bundle.map_or(Trust::System(None), Trust::Bundle).http()?;
        // What is tried again, and when, `Call` decides.
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(http.client())
            .timeout_config(timeouts())
            .retry_config(RetryConfig::disabled());
        if let Some(profile) = profile {
            // Who names a profile means it, whatever the environment holds.
            let client = ProviderConfig::default().with_http_client(http.client());
            let credentials =
                ProfileFileCredentialsProvider::builder().configure(&client).profile_name(&profile).build();
            loader = loader.profile_name(profile).credentials_provider(credentials);
        }
        if let Some(region) = region {
            loader = loader.region(Region::new(region));
        }
        Ok(Self { config: loader.load().await, http })
    }
}
