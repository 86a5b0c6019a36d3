//! A plain HTTP proxy, as a hospital's firewall has one: requests name the whole address of the server.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request's head may have so many bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// A proxy; it ends when dropped.
pub struct HttpProxy {
    address: SocketAddr,
    requests: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl HttpProxy {
    /// Listens.
    pub async fn start() -> HttpProxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let requests = Arc::new(AtomicU64::new(0));
        let counter = requests.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let counter = counter.clone();
                tokio::spawn(async move {
                    // A client that goes away is none of the proxy's business.
                    let _ = pass(client, &counter).await;
                });
            }
        });
        HttpProxy { address, requests, accepting }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests have passed.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

impl Drop for HttpProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Passes one request and its answer; each has a connection of its own.
async fn pass(mut client: TcpStream, requests: &AtomicU64) -> std::io::Result<()> {
    let mut head = Vec::new();
    let end = loop {
        if let Some(end) = head.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end + 4;
        }
        let mut piece = [0; 4_096];
        match client.read(&mut piece).await? {
            0 => return Ok(()),
            _ if head.len() > HEAD_BYTES_MAX => return Ok(()),
            read => head.extend_from_slice(&piece[..read]),
        }
    };
    let body = head.split_off(end);
    let head = String::from_utf8(head).expect("a head is text");
    let (first, rest) = head.split_once("\r\n").expect("a head has lines");
    let words: Vec<&str> = first.split(' ').collect();
    let [method, address, version] = words.as_slice() else { panic!("{first}") };
    let address = address.strip_prefix("http://").expect("a proxy is told the whole address");
    let (host, path) = address.split_once('/').expect("an address has a path");
    let rest: String = rest
        .split("\r\n")
        .filter(|line| !line.to_lowercase().starts_with("connection:"))
        .collect::<Vec<_>>()
        .join("\r\n");
    let mut server = TcpStream::connect(host).await?;
    requests.fetch_add(1, Ordering::Relaxed);
    server.write_all(format!("{method} /{path} {version}\r\nConnection: close\r\n{rest}").as_bytes()).await?;
    server.write_all(&body).await?;
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.split(), server.split());
    let sending = async {
        // The client keeps its end open: the answer decides when all is over.
        let _ = copy(&mut from_client, &mut to_server).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = sending => {}
        answered = copy(&mut from_server, &mut to_client) => drop(answered?),
    }
    to_client.shutdown().await
}
