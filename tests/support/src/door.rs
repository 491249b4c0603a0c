//! Doors before the services on loopback: further addresses of theirs, with TLS or without.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::aws::{SERVERS, listen};

/// A certificate of our own for this host, and what proves that a door is its owner.
pub struct Certificate {
    /// The certificate, as text.
    pub pem: String,
    acceptor: TlsAcceptor,
}

impl Certificate {
    /// Makes one.
    pub fn of(host: &str) -> Certificate {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec![host.to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![cert.der().clone()], key);
        let mut config = config.unwrap();
        // No session is resumed: doors to several services stand for several hosts.
        config.send_tls13_tickets = 0;
        Certificate { pem: cert.pem(), acceptor: TlsAcceptor::from(Arc::new(config)) }
    }
}

/// Opens a door to what is at this URL, over TLS where there is a certificate, and tells where the door is.
pub fn open(behind: &str, certificate: Option<&Certificate>) -> SocketAddr {
    let behind = behind.trim_start_matches("http://").to_owned();
    let tls = certificate.map(|certificate| certificate.acceptor.clone());
    let (listener, address) = listen();
    SERVERS.spawn(async move {
        while let Ok((outside, _)) = listener.accept().await {
            tokio::spawn(pass(outside, behind.clone(), tls.clone()));
        }
    });
    address
}

/// Either side may go away in the middle: a client does that does not like the certificate, or whose test has ended.
async fn pass(mut outside: TcpStream, behind: String, tls: Option<TlsAcceptor>) {
    let Ok(mut inside) = TcpStream::connect(behind).await else { return };
    let _ = match tls {
        None => copy_bidirectional(&mut outside, &mut inside).await,
        Some(tls) => match tls.accept(outside).await {
            Ok(mut outside) => copy_bidirectional(&mut outside, &mut inside).await,
            Err(error) => Err(error),
        },
    };
}
