//! The HTTP client, and whose certificates it trusts.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::{
    pool::{Client, ConnectionEvent, ConnectionPool, OriginKey, PartitionId},
    proxy::ProxyConfig,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn},
    orchestrator::HttpRequest,
    result::ConnectorError,
};
use futures_util::poll;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use thiserror::Error;
use tokio::{sync::Notify, task::yield_now};

/// Amazon Trust Services' roots (<https://www.amazontrust.com/repository/>), which every certificate of an AWS service
/// in the partition `aws` goes back to.
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon-roots.pem");

/// The certificates to trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Amazon's own roots alone. With the system's the start takes a fifth longer.
    Amazon,
    /// The system's, or what `SSL_CERT_DIR` and `SSL_CERT_FILE` name in their place; the latter is this file.
    System(Option<PathBuf>),
    /// Those in the file that `AWS_CA_BUNDLE` names.
    Bundle(PathBuf),
}

/// The certificates that `AWS_CA_BUNDLE` or `SSL_CERT_FILE` names cannot be used.
#[derive(Debug, Error)]
pub enum CertificatesUnusable {
    /// The file cannot be read.
    #[error("the certificates in `{}` cannot be read: {error}; name a file of certificates in PEM format", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The file holds no certificate.
    #[error("`{}` holds no certificate; name a file of certificates in PEM format", path.display())]
    None {
        /// The file.
        path: PathBuf,
    },
    /// It holds one that cannot be understood.
    #[error("the certificate number {number} in `{}` cannot be understood; take it out, or mend it", path.display())]
    NotUnderstood {
        /// The file.
        path: PathBuf,
        /// Which of the certificates, counted from 1.
        number: usize,
    },
}

impl Trust {
    /// The variable that names the file, if one does.
    pub(super) fn variable(&self) -> &'static str {
        match self {
            Self::Bundle(_) => "AWS_CA_BUNDLE",
            Self::System(_) | Self::Amazon => "SSL_CERT_FILE",
        }
    }

    /// The client that trusts them. It goes through the proxy that the usual variables name.
    pub(super) fn http(self) -> Result<Http, CertificatesUnusable> {
        let store = match self {
            Self::System(file) => {
                // The HTTP client would take an unusable file for an empty one, and trust nobody.
                if let Some(path) = file
                    && understood(&read(&path)?).0 == 0
                {
                    return Err(CertificatesUnusable::None { path });
                }
                TrustStore::default()
            }
            Self::Amazon => TrustStore::empty().with_pem_certificate(AMAZON_ROOTS),
            Self::Bundle(path) => {
                let pem = read(&path)?;
                // The HTTP client would panic over one that it does not understand.
                match understood(&pem) {
                    (_, Some(number)) => return Err(CertificatesUnusable::NotUnderstood { path, number }),
                    (0, None) => return Err(CertificatesUnusable::None { path }),
                    _ => TrustStore::empty().with_pem_certificate(pem),
                }
            }
        };
        Ok(Http::new(store))
    }
}

/// The pool begins to open a connection in a task of its own, which gets its turn within these.
const TURNS_TO_BEGIN: usize = 16;

/// The one HTTP client of all services, so that certificates are read once.
#[derive(Clone, Debug)]
pub(super) struct Http {
    pool: ConnectionPool,
    client: Client,
    news: Arc<Notify>,
}

impl Http {
    #[expect(clippy::expect_used, reason = "what can be refused of a pool or a store is not used here")]
    fn new(store: TrustStore) -> Self {
        let context = TlsContext::builder().with_trust_store(store).build().expect("rustls takes every store");
        let news = Arc::new(Notify::new());
        let listener = Arc::clone(&news);
        let pool = ConnectionPool::builder()
            .sleep_impl(TokioSleep::new())
            .proxy_config(ProxyConfig::from_env())
            .event_listener(move |_: &ConnectionEvent<'_>| listener.notify_waiters())
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(context)
            .build_https()
            .expect("the pool has no limits that could contradict each other");
        let client = Client::new(&pool).expect("the pool has no partitions to choose from");
        Self { pool, client, news }
    }

    pub(super) fn client(&self) -> SharedHttpClient {
        SharedHttpClient::new(self.client.clone())
    }

    /// A client that opens the connection for a request, and does not send it.
    pub(super) fn opener(&self) -> SharedHttpClient {
        let Self { pool, client, news } = self.clone();
        http_client_fn(move |settings, components| {
            let (pool, news) = (pool.clone(), Arc::clone(&news));
            SharedHttpConnector::new(Opener { connector: client.http_connector(settings, components), pool, news })
        })
    }
}

#[derive(Debug)]
struct Opener {
    connector: SharedHttpConnector,
    pool: ConnectionPool,
    news: Arc<Notify>,
}

impl HttpConnector for Opener {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let origin = request.uri().parse().ok().and_then(|uri| OriginKey::from_uri(&uri).ok());
        let (call, pool, news) = (self.connector.call(request), self.pool.clone(), Arc::clone(&self.news));
        HttpConnectorFuture::new(async move {
            let Some(origin) = origin else { return Err(ConnectorError::user("the endpoint is no URL".into())) };
            let is_opening = || {
                let stats = pool.partition_stats(PartitionId::ANONYMOUS, &origin);
                stats.is_some_and(|stats| stats.establishing_connections() > 0)
            };
            let mut call = Box::pin(call);
            drop(poll!(&mut call));
            for _ in 0..TURNS_TO_BEGIN {
                if is_opening() {
                    break;
                }
                yield_now().await;
            }
            // The pool goes on with a connection that it began to open, though nobody waits for it any more.
            drop(call);
            loop {
                let next = news.notified();
                if !is_opening() {
                    break;
                }
                next.await;
            }
            Err(ConnectorError::user("the connection was only opened".into()))
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CertificatesUnusable> {
    std::fs::read(path).map_err(|error| CertificatesUnusable::Unreadable { path: path.to_owned(), error })
}

/// How many certificates can be understood, and which is the first that cannot, counted from 1.
fn understood(pem: &[u8]) -> (usize, Option<usize>) {
    let mut roots = RootCertStore::empty();
    let mut odd = None;
    for (number, certificate) in (1..).zip(CertificateDer::pem_slice_iter(pem)) {
        if !certificate.is_ok_and(|der| roots.add(der).is_ok()) {
            odd = odd.or(Some(number));
        }
    }
    (roots.len(), odd)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn amazons_roots_can_be_used() {
        assert_eq!(understood(AMAZON_ROOTS), (5, None));
    }

    #[test]
    fn amazons_roots_are_those_that_amazon_publishes() {
        let fingerprint =
            |der: CertificateDer<'_>| Sha256::digest(&der).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let roots: Vec<_> =
            CertificateDer::pem_slice_iter(AMAZON_ROOTS).map(|root| fingerprint(root.unwrap())).collect();
        let published = [
            "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
            "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
            "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
            "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
            "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5",
        ];
        assert_eq!(roots, published);
    }
}
