//! HTTP on loopback, on the one thread of this process.

use std::{net::SocketAddr, rc::Rc};

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    http::request::Parts,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    task::{JoinHandle, spawn_local},
};
use tokio_rustls::TlsAcceptor;

/// What answers the requests that come to a listener.
pub(crate) trait Service: 'static {
    /// A client has connected.
    fn connected(&self) {}

    /// The answer to one request.
    fn answer(&self, head: Parts, body: Bytes) -> impl Future<Output = Response<Full<Bytes>>>;
}

/// Answers what comes to a new port of loopback, until the task is aborted.
pub(crate) async fn serve<S: Service>(
    service: Rc<S>,
    tls: Option<TlsAcceptor>,
) -> anyhow::Result<(SocketAddr, JoinHandle<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let accept = async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            service.connected();
            let (service, tls) = (Rc::clone(&service), tls.clone());
            spawn_local(async move {
                match tls {
                    None => connection(service, stream).await,
                    Some(tls) => {
                        // A client that does not like the certificate says so itself.
                        if let Ok(stream) = tls.accept(stream).await {
                            connection(service, stream).await;
                        }
                    }
                }
            });
        }
    };
    Ok((address, spawn_local(accept)))
}

async fn connection<S: Service>(service: Rc<S>, stream: impl AsyncRead + AsyncWrite + Unpin) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let service = Rc::clone(&service);
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok::<_, hyper::Error>(service.answer(head, body).await)
        }
    });
    // A client that goes away in the middle of a call is no failure of ours.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
}
