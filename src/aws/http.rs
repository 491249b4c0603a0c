//! The HTTP client, and whose certificates it trusts.

use std::{io, path::PathBuf, sync::Arc};

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
    /// Amazon's own roots alone. Reading the system's would be most of the function's start.
    Amazon,
    /// The system's, which can be set by `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    System,
    /// Those in a file.
    Bundle(PathBuf),
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

impl Trust {
    /// The client that trusts them. It goes through the proxy that the usual variables name.
    pub(super) fn http(self) -> Result<Http, CertificatesUnusable> {
        let store = match self {
            Self::System => TrustStore::default(),
            Self::Amazon => TrustStore::empty().with_pem_certificate(AMAZON_ROOTS),
            Self::Bundle(path) => {
                let pem = std::fs::read(&path)
                    .map_err(|error| CertificatesUnusable::Unreadable { path: path.clone(), error })?;
                // The HTTP client would take an unusable file for an empty one, or panic over it.
                if !holds_certificates(&pem) {
                    return Err(CertificatesUnusable::NotCertificates { path });
                }
                TrustStore::empty().with_pem_certificate(pem)
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

fn holds_certificates(pem: &[u8]) -> bool {
    let mut roots = RootCertStore::empty();
    let all =
        CertificateDer::pem_slice_iter(pem).all(|certificate| certificate.is_ok_and(|der| roots.add(der).is_ok()));
    all && !roots.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amazons_roots_can_be_used() {
        assert!(holds_certificates(AMAZON_ROOTS));
        assert_eq!(CertificateDer::pem_slice_iter(AMAZON_ROOTS).count(), 5);
    }
}
