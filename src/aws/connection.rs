//! How the services are reached: credentials, certificates, time limits, retries.

use std::{io, path::PathBuf, time::Duration};

use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_smithy_http_client::{
    Builder,
    tls::{self, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use thiserror::Error;

/// A call that answers at all answers in milliseconds; a longer silence is a lost connection.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// More attempts than fit into an invocation, so that its deadline ends the retries and not a count.
const ATTEMPTS: u32 = 20;
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(3);

/// Credentials, Region, endpoint and HTTP client, as the SDK finds them in the environment.
#[derive(Clone, Debug)]
pub struct Connection {
    pub(super) config: SdkConfig,
}

/// The file that `AWS_CA_BUNDLE` names cannot be read.
#[derive(Debug, Error)]
#[error("the certificates in `{}` cannot be read: {source}; set `AWS_CA_BUNDLE` to a file in PEM format, or to nothing", path.display())]
pub struct CertificatesUnreadable {
    path: PathBuf,
    source: io::Error,
}

impl Connection {
    /// Reads the SDK's own settings. `ca_bundle` is a file of certificates to trust in place of the system's,
    /// which themselves can be set by `SSL_CERT_FILE`.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub async fn from_environment(ca_bundle: Option<PathBuf>) -> Result<Self, CertificatesUnreadable> {
        let mut loader =
            aws_config::defaults(BehaviorVersion::v2026_01_12()).timeout_config(timeouts().build()).retry_config(
                RetryConfig::standard()
                    .with_max_attempts(ATTEMPTS)
                    .with_initial_backoff(FIRST_BACKOFF)
                    .with_max_backoff(LONGEST_BACKOFF),
            );
        if let Some(path) = ca_bundle {
            let unreadable = |source| CertificatesUnreadable { path: path.clone(), source };
            let pem = std::fs::read(&path).map_err(unreadable)?;
            let trust = TrustStore::empty().with_pem_certificate(pem);
            let context = TlsContext::builder().with_trust_store(trust).build();
            let context = context.map_err(|error| unreadable(io::Error::other(error)))?;
            let provider = tls::Provider::Rustls(CryptoMode::AwsLc);
            loader = loader.http_client(Builder::new().tls_provider(provider).tls_context(context).build_https());
        }
        Ok(Self { config: loader.load().await })
    }
}

/// The time limits of every call, to which each call adds its own end.
pub(super) fn timeouts() -> aws_config::timeout::TimeoutConfigBuilder {
    TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(ATTEMPT_TIMEOUT)
}
