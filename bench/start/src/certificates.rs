//! An authority of our own, for the services on loopback.

use std::{fs, path::Path, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{CipherSuite, ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// As many as Amazon has: what a client reads is then as long as the roots that it needs for AWS.
const AUTHORITIES: usize = 5;

/// A server for 127.0.0.1; its authority's certificate is in the file, beside others.
pub(crate) fn acceptor(bundle: &Path) -> anyhow::Result<TlsAcceptor> {
    let authorities = (1..=AUTHORITIES).map(authority).collect::<Result<Vec<_>, _>>()?;
    fs::write(bundle, authorities.iter().map(|authority| authority.pem()).collect::<String>())?;
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()])?.signed_by(&key, &authorities[0])?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
    let mut provider = ring::default_provider();
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // The first choice of AWS's own TLS library. A session is not resumed, since services of AWS have hosts of their own.
    config.ignore_client_order = true;
    config.send_tls13_tickets = 0;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn authority(number: usize) -> anyhow::Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, format!("Loopback Root CA {number}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}
