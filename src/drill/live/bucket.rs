//! The backup's bucket, with a way to make it unreachable.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::backup::BucketUrl;
use crate::backup::s3::S3Place;
use crate::drill::error::{DrillError, StepFailure};

/// Connections that pass to an S3 server at once; more wait.
const CONNECTIONS_MAX: usize = 64;

/// A bucket that can be cut off.
pub enum DrillBucket {
    /// A folder; cut, it is renamed away and a file stands in its place.
    Folder(PathBuf),
    /// A server behind a proxy; cut, the proxy drops every connection.
    Server {
        /// The address that goes through the proxy.
        url: BucketUrl,
        /// The proxy.
        proxy: Proxy,
    },
}

/// A TCP proxy that can be cut; it ends when dropped.
pub struct Proxy {
    cut: Arc<watch::Sender<bool>>,
    accepting: JoinHandle<()>,
}

impl DrillBucket {
    /// Opens a bucket: a folder in the work folder, or a prefix of its own, `run`, in the bucket given; a proxy stands
    /// at `front`, where the gateway reaches it.
    ///
    /// # Errors
    /// [`DrillError`] when the address is wrong, or its server cannot be put behind a proxy.
    pub async fn open(
        work: &Path,
        address: Option<&str>,
        run: &str,
        front: IpAddr,
    ) -> Result<Self, DrillError> {
        let url = match address {
            Some(address) => BucketUrl::parse(address)?,
            None => BucketUrl::File { directory: work.join("bucket") },
        };
        match url {
            BucketUrl::File { directory } => {
                let directory = if address.is_some() { directory.join(run) } else { directory };
                let wrong = |source| DrillError::Work { path: directory.clone(), source };
                fs::create_dir_all(&directory).map_err(wrong)?;
                Ok(DrillBucket::Folder(fs::canonicalize(&directory).map_err(wrong)?))
            }
            BucketUrl::S3(place) => Self::behind_proxy(place.or_environment()?, run, front).await,
        }
    }

    async fn behind_proxy(place: S3Place, run: &str, front: IpAddr) -> Result<Self, DrillError> {
        let cuttable = "give an S3 server with endpoint=http://HOST:PORT; one behind https cannot be cut";
        let endpoint = place.endpoint().ok_or(DrillError::BucketNotCuttable(cuttable))?;
        let host = endpoint.strip_prefix("http://").ok_or(DrillError::BucketNotCuttable(cuttable))?;
        let host = host.trim_end_matches('/');
        let host = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
        let work = |source| DrillError::Work { path: format!("a port of {front}").into(), source };
        let listener = TcpListener::bind((front, 0)).await.map_err(work)?;
        let address = listener.local_addr().map_err(work)?;
        let prefix =
            [place.prefix(), run].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>();
        let through = endpoint_at(address);
        let place = S3Place::new(place.bucket(), &prefix.join("/"), Some(&through), Some(place.region()))?;
        Ok(DrillBucket::Server { url: BucketUrl::S3(place), proxy: Proxy::start(listener, host) })
    }

    /// Returns the address that replicas use.
    pub fn url(&self) -> String {
        match self {
            DrillBucket::Folder(directory) => BucketUrl::File { directory: directory.clone() }.to_string(),
            DrillBucket::Server { url, .. } => url.to_string(),
        }
    }

    /// Makes the bucket unreachable.
    ///
    /// # Errors
    /// [`StepFailure`] when the folder cannot be moved.
    pub fn cut(&self) -> Result<(), StepFailure> {
        match self {
            DrillBucket::Folder(folder) => {
                let away = away(folder);
                if away.exists() {
                    return Ok(());
                }
                fs::rename(folder, away)
                    .and_then(|()| fs::write(folder, b"cut off by the drill"))
                    .map_err(|error| StepFailure::of("cutting off the bucket", error))
            }
            DrillBucket::Server { proxy, .. } => {
                proxy.cut.send_replace(true);
                Ok(())
            }
        }
    }

    /// Makes the bucket reachable again.
    ///
    /// # Errors
    /// [`StepFailure`] when the folder cannot be moved back.
    pub fn heal(&self) -> Result<(), StepFailure> {
        match self {
            DrillBucket::Folder(folder) => {
                let away = away(folder);
                if !away.exists() {
                    return Ok(());
                }
                fs::remove_file(folder)
                    .and_then(|()| fs::rename(away, folder))
                    .map_err(|error| StepFailure::of("healing the bucket", error))
            }
            DrillBucket::Server { proxy, .. } => {
                proxy.cut.send_replace(false);
                Ok(())
            }
        }
    }
}

fn away(folder: &Path) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(".unreachable");
    folder.with_file_name(name)
}

fn endpoint_at(address: SocketAddr) -> String {
    format!("http://{address}")
}

impl Proxy {
    fn start(listener: TcpListener, server: String) -> Self {
        let cut = Arc::new(watch::Sender::new(false));
        let accepting = tokio::spawn(accept(listener, server, cut.clone()));
        Self { cut, accepting }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, server: String, cut: Arc<watch::Sender<bool>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => {
                let Ok((client, _)) = accepted else { return };
                let mut cut = cut.subscribe();
                if !*cut.borrow_and_update() {
                    let server = server.clone();
                    connections.spawn(async move { pass(client, &server, cut).await });
                }
            }
        }
    }
}

async fn pass(mut client: TcpStream, server: &str, mut cut: watch::Receiver<bool>) {
    // A server that is down: the client sees its connection closed.
    let Ok(mut upstream) = TcpStream::connect(server).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut upstream) => {}
        _ = cut.wait_for(|cut| *cut) => {}
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[tokio::test]
    async fn a_folder_that_is_cut_off_cannot_be_made_anew_and_comes_back_whole() {
        let dir = tempfile::tempdir().unwrap();
        let bucket = DrillBucket::open(dir.path(), None, "run", HERE).await.unwrap();
        let BucketUrl::File { directory } = BucketUrl::parse(&bucket.url()).unwrap() else { panic!() };
        fs::write(directory.join("object"), b"1").unwrap();
        bucket.cut().unwrap();
        bucket.cut().unwrap();
        assert!(fs::create_dir_all(&directory).is_err() && fs::read(directory.join("object")).is_err());
        bucket.heal().unwrap();
        bucket.heal().unwrap();
        assert_eq!(fs::read(directory.join("object")).unwrap(), b"1");
    }

    #[tokio::test]
    async fn a_server_is_reached_through_the_proxy_until_it_is_cut() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = server.accept().await {
                tokio::spawn(async move { stream.write_all(b"hello").await });
            }
        });
        let given = format!("s3://drills/miura?endpoint=http://{address}&region=us-east-1");
        let bucket = DrillBucket::open(Path::new("/nowhere"), Some(&given), "run-7", HERE).await.unwrap();
        let BucketUrl::S3(place) = BucketUrl::parse(&bucket.url()).unwrap() else { panic!() };
        assert_eq!(place.prefix(), "miura/run-7");
        let through = place.endpoint().unwrap().strip_prefix("http://").unwrap().to_owned();
        let heard = |through: String| async move {
            let mut said = Vec::new();
            let mut stream = TcpStream::connect(through).await.unwrap();
            // A reset counts as nothing heard.
            let _ = stream.read_to_end(&mut said).await;
            said
        };
        assert_eq!(heard(through.clone()).await, b"hello");
        bucket.cut().unwrap();
        assert_eq!(heard(through.clone()).await, b"");
        bucket.heal().unwrap();
        assert_eq!(heard(through).await, b"hello");
    }

    #[tokio::test]
    async fn a_bucket_that_cannot_be_cut_is_refused() {
        for address in ["s3://drills?endpoint=https://s3.example", "ftp://x"] {
            assert!(DrillBucket::open(Path::new("/nowhere"), Some(address), "run", HERE).await.is_err());
        }
    }
}
