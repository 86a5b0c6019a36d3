//! A TCP proxy that breaks a request at a chosen moment.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// What the proxy does to the requests that pass.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// It stops passing a connection's bytes to the server after so many.
    HoldAfter(u64),
    /// It lets the next request through and drops the server's `200` to it.
    LoseAnswer,
}

/// A proxy to one server; it ends when dropped.
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    fault: Mutex<Fault>,
    struck: Notify,
}

impl FaultProxy {
    /// Listens for connections and passes them to the server.
    pub async fn start(server: SocketAddr, fault: Fault) -> FaultProxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared { fault: Mutex::new(fault), struck: Notify::new() });
        let accepting = tokio::spawn(accept(listener, server, Arc::clone(&shared)));
        FaultProxy { address, shared, accepting }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the fault has struck.
    pub async fn struck(&self) {
        self.shared.struck.notified().await;
    }

    /// Passes everything from now on; connections that are held stay so.
    pub fn heal(&self) {
        *self.shared.fault.lock().expect("no holder panics") = Fault::None;
    }

    /// Tells whether the fault is still to come, or stays.
    pub fn fault_is(&self, fault: Fault) -> bool {
        self.shared.fault() == fault
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    fn fault(&self) -> Fault {
        *self.fault.lock().expect("no holder panics")
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, shared: Arc<Shared>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            // A server that is down: the client sees its connection closed.
            let Ok(upstream) = TcpStream::connect(server).await else { return };
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = upstream.into_split();
            tokio::select! {
                () = pass_requests(from_client, to_server, &shared) => {}
                () = pass_answers(from_server, to_client, &shared) => {}
            }
        });
    }
}

async fn pass_requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: &Shared) {
    let mut buffer = vec![0; 16 * 1024];
    let mut passed = 0;
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
        passed += count as u64;
        if matches!(shared.fault(), Fault::HoldAfter(limit) if passed >= limit) {
            shared.struck.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

async fn pass_answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: &Shared) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if shared.fault() == Fault::LoseAnswer && buffer.starts_with(b"HTTP/1.1 200") {
            *shared.fault.lock().expect("no holder panics") = Fault::None;
            shared.struck.notify_one();
            return;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
