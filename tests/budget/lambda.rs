//! Lambda's Runtime API for one event.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use crate::aws::{ACCOUNT, REGION, SERVERS, listen};

/// What the function did.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    /// It answered this.
    Answered(String),
    /// It asks for the event after its answer.
    AsksForMore,
}

struct Runtime {
    event: String,
    asked: AtomicUsize,
    steps: Sender<Step>,
}

/// Hands out the event as soon as it is asked for, and tells what is done.
pub(crate) fn serve(event: String, steps: Sender<Step>) -> SocketAddr {
    let runtime = Arc::new(Runtime { event, asked: AtomicUsize::new(0), steps });
    let (listener, address) = listen();
    SERVERS.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let runtime = Arc::clone(&runtime);
            tokio::spawn(async move {
                let service = service_fn(move |request| answer(Arc::clone(&runtime), request));
                // The process is ended while it waits for an event.
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}

async fn answer(runtime: Arc<Runtime>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    if request.uri().path().ends_with("/invocation/next") {
        if runtime.asked.fetch_add(1, Ordering::SeqCst) > 0 {
            let _ = runtime.steps.send(Step::AsksForMore);
            return std::future::pending().await;
        }
        let deadline = SystemTime::now() + Duration::from_secs(600);
        let deadline = deadline.duration_since(UNIX_EPOCH).unwrap().as_millis().to_string();
        let arn = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:ecr-autopolicy");
        let response = Response::builder()
            .header("content-type", "application/json")
            .header("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
            .header("lambda-runtime-deadline-ms", deadline)
            .header("lambda-runtime-invoked-function-arn", arn);
        return Ok(response.body(Full::from(runtime.event.clone())).unwrap());
    }
    let body = request.into_body().collect().await?.to_bytes();
    let _ = runtime.steps.send(Step::Answered(String::from_utf8_lossy(&body).into_owned()));
    Ok(Response::builder().status(202).body(Full::from(r#"{"status":"OK"}"#)).unwrap())
}
