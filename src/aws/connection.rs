//! How the services are reached: credentials, certificates, time limits, retries.

use std::{io, path::PathBuf, time::Duration};

use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_ecr::config::retry::{RetryPartition, TokenBucket};
use aws_smithy_http_client::{
    Builder,
    tls::{self, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use thiserror::Error;

/// A call that answers at all answers in milliseconds; a longer silence is a lost connection.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// More attempts than fit into the longest invocation, so that the deadline ends the retries and not a count.
const ATTEMPTS: u32 = 10_000;
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(3);

/// Credentials, Region, endpoint and HTTP client, as the SDK finds them in the environment.
#[derive(Clone, Debug)]
pub struct Connection {
    pub(super) config: SdkConfig,
}

/// The certificates that `AWS_CA_BUNDLE` names cannot be used.
#[derive(Debug, Error)]
pub enum CertificatesUnusable {
    /// The file cannot be read.
    #[error("the certificates in `{}` cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file holds no certificate, or one that cannot be understood.
    #[error("`{}` holds no certificates in PEM format that can be understood", path.display())]
    NotCertificates {
        /// The file.
        path: PathBuf,
    },
}

impl Connection {
    /// Reads the SDK's own settings. `ca_bundle` is a file of certificates to trust in place of the system's,
    /// which themselves can be set by `SSL_CERT_FILE`.
    ///
    /// # Errors
    /// Where the file cannot be read, or holds no certificates.
    pub async fn from_environment(ca_bundle: Option<PathBuf>) -> Result<Self, CertificatesUnusable> {
        let mut loader =
            aws_config::defaults(BehaviorVersion::v2026_01_12()).timeout_config(timeouts().build()).retry_config(
                RetryConfig::standard()
                    .with_max_attempts(ATTEMPTS)
                    .with_initial_backoff(FIRST_BACKOFF)
                    .with_max_backoff(LONGEST_BACKOFF),
            );
        if let Some(path) = ca_bundle {
            let pem = std::fs::read(&path)
                .map_err(|source| CertificatesUnusable::Unreadable { path: path.clone(), source })?;
            // The HTTP client would take an unusable file for an empty one, or panic over it at the first call.
            if !holds_certificates(&pem) {
                return Err(CertificatesUnusable::NotCertificates { path });
            }
            let trust = TrustStore::empty().with_pem_certificate(pem);
            let context = TlsContext::builder().with_trust_store(trust).build();
            let context = context.map_err(|_| CertificatesUnusable::NotCertificates { path })?;
            let provider = tls::Provider::Rustls(CryptoMode::AwsLc);
            loader = loader.http_client(Builder::new().tls_provider(provider).tls_context(context).build_https());
        }
        Ok(Self { config: loader.load().await })
    }
}

fn holds_certificates(pem: &[u8]) -> bool {
    let mut roots = RootCertStore::empty();
    let all =
        CertificateDer::pem_slice_iter(pem).all(|certificate| certificate.is_ok_and(|der| roots.add(der).is_ok()));
    all && !roots.is_empty()
}

/// Where the services' retry quotas are kept: nowhere. The SDK's own would run dry in a warm process that meets a long
/// storm of throttles, and then give up at the first; here the invocation's deadline is the limit.
pub(super) fn retry_partition() -> RetryPartition {
    RetryPartition::custom("ecr-autopolicy").token_bucket(TokenBucket::unlimited()).build()
}

/// The time limits of every call, to which each call adds its own end.
pub(super) fn timeouts() -> aws_config::timeout::TimeoutConfigBuilder {
    TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(ATTEMPT_TIMEOUT)
}
