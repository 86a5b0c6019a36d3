//! A door into a network namespace: the control sockets of replicas listen on their own 127.0.0.1 only.
//!
//! One door stands in each namespace, as a process of the drill's own binary. Who comes in says a port in one line
//! and is put through to it on the 127.0.0.1 of that namespace; what a replica asks of strangers, its token, it
//! still asks. A door closes when its standard input ends, so that none outlives its drill.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Connections that pass at once; more wait.
const CONNECTIONS_MAX: usize = 64;
/// Longest line that names a port: five digits and the end of the line.
const PORT_BYTES_MAX: usize = 6;
/// How long a connection may take to name its port.
const PORT_WITHIN: Duration = Duration::from_secs(2);
/// How long a door may take to be reached.
const REACHED_WITHIN: Duration = Duration::from_secs(2);

/// Holds a door open until `closed` is there.
///
/// # Errors
/// When the address cannot be had.
pub async fn hold(listen: SocketAddr, closed: impl Future<Output = ()>) -> io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    let mut passing = JoinSet::new();
    let mut closed = std::pin::pin!(closed);
    loop {
        tokio::select! {
            () = &mut closed => return Ok(()),
            Some(_) = passing.join_next(), if !passing.is_empty() => {}
            accepted = listener.accept(), if passing.len() < CONNECTIONS_MAX => {
                let (stream, _) = accepted?;
                passing.spawn(pass(stream));
            }
        }
    }
}

/// Goes through a door to a port behind it.
///
/// # Errors
/// When the door is not reached. A port where nobody answers shows as a connection that ends.
pub async fn through(door: SocketAddr, port: u16) -> io::Result<TcpStream> {
    let connecting = timeout(REACHED_WITHIN, TcpStream::connect(door));
    let mut stream = connecting.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    stream.write_all(format!("{port}\n").as_bytes()).await?;
    Ok(stream)
}

async fn pass(mut stream: TcpStream) {
    let Ok(Some(port)) = timeout(PORT_WITHIN, port(&mut stream)).await else { return };
    let Ok(mut inside) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else { return };
    // Either side may go away at any time.
    let _ = copy_bidirectional(&mut stream, &mut inside).await;
}

async fn port(stream: &mut TcpStream) -> Option<u16> {
    let mut line = String::new();
    while line.len() < PORT_BYTES_MAX {
        match stream.read_u8().await.ok()? {
            b'\n' => return line.parse().ok(),
            byte => line.push(char::from(byte)),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_door_leads_to_the_port_that_is_named_and_closes_with_its_holder() {
        let behind = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = behind.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = behind.accept().await {
                tokio::spawn(async move { stream.write_all(b"hello").await });
            }
        });
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let door = free.local_addr().unwrap();
        drop(free);
        let (holder, held) = tokio::sync::oneshot::channel::<()>();
        let open = tokio::spawn(hold(door, async move { drop(held.await) }));
        let heard = |port: u16| async move {
            let mut said = Vec::new();
            for _ in 0..100 {
                if let Ok(mut stream) = through(door, port).await {
                    // A reset counts as nothing heard.
                    let _ = stream.read_to_end(&mut said).await;
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            said
        };
        assert_eq!(heard(port).await, b"hello");
        // Nobody listens there.
        assert_eq!(heard(1).await, b"");
        drop(holder);
        open.await.unwrap().unwrap();
        assert!(through(door, port).await.is_err());
    }
}
