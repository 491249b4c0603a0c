//! How the services are reached: credentials, certificates, time limits.

use std::{io, path::PathBuf, time::Duration};

use aws_config::{
    BehaviorVersion, Region, SdkConfig, profile::ProfileFileCredentialsProvider, retry::RetryConfig,
    timeout::TimeoutConfig,
};
use aws_smithy_http_client::{
    Builder,
    tls::{self, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use thiserror::Error;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Credentials, Region, endpoint and HTTP client, as the SDK finds them in the environment.
#[derive(Clone, Debug)]
pub struct Connection {
    pub(super) config: SdkConfig,
}

/// The certificates that `AWS_CA_BUNDLE` names cannot be used.
#[derive(Debug, Error)]
pub enum CertificatesUnusable {
    /// The file cannot be read.
    #[error("the certificates in `{}` cannot be read: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The file holds no certificate, or one that cannot be understood.
    #[error("`{}` holds no certificates in PEM format that can be understood", path.display())]
    NotCertificates {
        /// The file.
        path: PathBuf,
    },
}

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
        // What is tried again, and when, `Call` decides.
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).build())
            .retry_config(RetryConfig::disabled());
        if let Some(profile) = profile {
            // Who names a profile means it, whatever the environment holds.
            let credentials = ProfileFileCredentialsProvider::builder().profile_name(&profile).build();
            loader = loader.profile_name(profile).credentials_provider(credentials);
        }
        if let Some(region) = region {
            loader = loader.region(Region::new(region));
        }
        if let Some(path) = ca_bundle {
            let pem =
                std::fs::read(&path).map_err(|error| CertificatesUnusable::Unreadable { path: path.clone(), error })?;
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

    /// What the SDK made of it all.
    #[must_use]
    pub fn sdk_config(&self) -> &SdkConfig {
        &self.config
    }
}

fn holds_certificates(pem: &[u8]) -> bool {
    let mut roots = RootCertStore::empty();
    let all =
        CertificateDer::pem_slice_iter(pem).all(|certificate| certificate.is_ok_and(|der| roots.add(der).is_ok()));
    all && !roots.is_empty()
}
