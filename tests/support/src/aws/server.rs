//! Where loopback servers run.

use std::net::SocketAddr;
use std::sync::LazyLock;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// All the loopback servers of this test binary share these threads.
pub static SERVERS: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());

/// A listener on a free loopback port.
pub fn listen() -> (TcpListener, SocketAddr) {
    let listener = SERVERS.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}
