//! The local control socket: how a command asks the replica that runs on a store.
//!
//! A running replica writes `control.json` into its store's folder: a port on 127.0.0.1 and a token that only
//! who may read the folder knows. A connection begins with a line that holds the token, which must come soon and
//! is all that is read from a stranger; then it carries one request a line, as JSON, each answered with lines
//! `{"progress"}` and at last `{"answer"}` or `{"error"}`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::error::{Kind, ReplicaError};
use super::files::write_secret;
use super::request::{Progress, Request};

/// The file that tells where a running replica is asked.
pub const CONTROL_FILE: &str = "control.json";
/// Longest request and answer, in bytes.
const LINE_BYTES_MAX: u64 = 256 << 20;
/// Longest first line, which holds the token, in bytes.
const TOKEN_BYTES_MAX: u64 = 128;
/// How long a connection may take to show its token.
const TOKEN_WAIT: Duration = Duration::from_secs(2);
/// Most connections at once; more wait to be accepted.
const CONNECTIONS_MAX: usize = 512;
/// How long a connection may take to be made.
const CONNECT_WAIT: Duration = Duration::from_secs(2);
/// Progress lines that may wait to be sent; more are left out.
const PROGRESS_MAX: usize = 16;

/// What `control.json` holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// The control socket's port on 127.0.0.1.
    pub port: u16,
    /// What a request must show.
    pub token: String,
    /// Where peers reach the replica.
    pub listen: SocketAddr,
    /// The process that runs it.
    pub process: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Said {
    Progress(Progress),
    Answer(serde_json::Value),
    Error { message: String, kind: Kind },
}

/// Answers requests; given by who runs the replica.
pub type Answerer = dyn Fn(
        Request,
        Box<dyn FnMut(Progress) + Send>,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<serde_json::Value, ReplicaError>> + Send>>
    + Send
    + Sync;

/// The open control socket of a running replica; removes `control.json` when it is dropped.
pub struct ControlSocket {
    path: PathBuf,
    listener: TcpListener,
    token: String,
}

impl ControlSocket {
    /// Opens the socket and writes `control.json`.
    ///
    /// # Errors
    /// When the port or the file cannot be had.
    pub async fn open(store: &Path, listen: SocketAddr, token: String) -> Result<Self, ReplicaError> {
        let failed = |reason: String| ReplicaError::Local { store: store.to_owned(), reason };
        let listener =
            TcpListener::bind(("127.0.0.1", 0)).await.map_err(|error| failed(error.to_string()))?;
        let port = listener.local_addr().map_err(|error| failed(error.to_string()))?.port();
        let control = Control { port, token: token.clone(), listen, process: std::process::id() };
        let path = store.join(CONTROL_FILE);
        let text = serde_json::to_vec(&control).expect("a control file is plain values");
        write_secret(&path, &text)?;
        Ok(Self { path, listener, token })
    }

    /// Serves requests until `stop` changes; connections that are being answered are finished first.
    pub async fn serve(&self, answerer: Arc<Answerer>, mut stop: watch::Receiver<bool>) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                _ = stop.changed() => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                accepted = self.listener.accept(), if connections.len() < CONNECTIONS_MAX => {
                    if let Ok((stream, _)) = accepted {
                        let (token, answerer, stop) = (self.token.clone(), answerer.clone(), stop.clone());
                        connections.spawn(async move {
                            // A command that goes away in the middle is no concern of the replica's.
                            let _ = converse(stream, &token, &*answerer, stop).await;
                        });
                    }
                }
            }
        }
        while connections.join_next().await.is_some() {}
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // The next start writes it anew; a file that stays names a port where nobody answers.
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn converse(
    stream: TcpStream,
    token: &str,
    answerer: &Answerer,
    mut stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read);
    let mut shown = String::new();
    let showing = read_line(&mut lines, &mut shown, TOKEN_BYTES_MAX);
    match tokio::time::timeout(TOKEN_WAIT, showing).await {
        Ok(Ok(_)) if same(shown.trim_end(), token) => {}
        Ok(Ok(_) | Err(_)) | Err(_) => {
            let refused = refusal("the token is wrong or late; if the replica was started anew, ask again");
            return send(&mut write, &refused).await;
        }
    }
    loop {
        let mut line = String::new();
        let read = tokio::select! {
            read = read_line(&mut lines, &mut line, LINE_BYTES_MAX) => read?,
            _ = stop.changed() => return Ok(()),
        };
        if read == 0 {
            return Ok(());
        }
        let said = match serde_json::from_str(&line) {
            Ok(request) => answer(request, answerer, &mut write).await?,
            Err(error) => refusal(&format!("not a request: {error}")),
        };
        send(&mut write, &said).await?;
    }
}

async fn answer(
    request: Request,
    answerer: &Answerer,
    write: &mut (impl tokio::io::AsyncWrite + Unpin),
) -> std::io::Result<Said> {
    let (sender, mut progress) = mpsc::channel(PROGRESS_MAX);
    let report = Box::new(move |step: Progress| {
        let _ = sender.try_send(step);
    });
    let mut answering = answerer(request, report);
    loop {
        tokio::select! {
            biased;
            Some(step) = progress.recv() => send(write, &Said::Progress(step)).await?,
            answered = &mut answering => {
                while let Ok(step) = progress.try_recv() {
                    send(write, &Said::Progress(step)).await?;
                }
                return Ok(match answered {
                    Ok(answer) => Said::Answer(answer),
                    Err(error) => Said::Error { message: error.to_string(), kind: error.kind() },
                });
            }
        }
    }
}

fn refusal(message: &str) -> Said {
    Said::Error { message: message.to_owned(), kind: Kind::Fix }
}

/// Compares in a time that does not depend on where they differ.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

async fn read_line(
    lines: &mut BufReader<impl tokio::io::AsyncRead + Unpin>,
    line: &mut String,
    bytes_max: u64,
) -> std::io::Result<usize> {
    let read = lines.take(bytes_max).read_line(line).await?;
    if read > 0 && !line.ends_with('\n') {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "a line is cut short or too long"));
    }
    Ok(read)
}

async fn send(write: &mut (impl tokio::io::AsyncWrite + Unpin), said: &Said) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(said).map_err(std::io::Error::other)?;
    line.push(b'\n');
    write.write_all(&line).await?;
    write.flush().await
}

/// A connection to the replica that runs on a store.
pub struct LocalClient {
    store: PathBuf,
    /// Where peers reach the replica.
    pub listen: SocketAddr,
    lines: BufReader<tokio::net::tcp::OwnedReadHalf>,
    write: tokio::net::tcp::OwnedWriteHalf,
}

impl LocalClient {
    /// Connects to the replica that runs on a store; none when none runs.
    ///
    /// # Errors
    /// When `control.json` is there and not readable.
    pub async fn find(store: &Path) -> Result<Option<Self>, ReplicaError> {
        let path = store.join(CONTROL_FILE);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(ReplicaError::Local { store: store.to_owned(), reason: error.to_string() });
            }
        };
        let control: Control = serde_json::from_slice(&text).map_err(|error| ReplicaError::Local {
            store: store.to_owned(),
            reason: format!("{}: {error}; delete it if no replica runs", path.display()),
        })?;
        let connecting = TcpStream::connect(("127.0.0.1", control.port));
        match tokio::time::timeout(CONNECT_WAIT, connecting).await {
            Ok(Ok(stream)) => Self::over(store, &control, stream).await.map(Some),
            // A replica that was killed leaves its file behind.
            Ok(Err(_)) | Err(_) => Ok(None),
        }
    }

    /// Speaks over a connection that was made already, to whom `control` names.
    ///
    /// # Errors
    /// When the connection ends at once.
    pub async fn over(store: &Path, control: &Control, stream: TcpStream) -> Result<Self, ReplicaError> {
        let (read, write) = stream.into_split();
        let lines = BufReader::new(read);
        let mut client = Self { store: store.to_owned(), listen: control.listen, lines, write };
        let shown = format!("{}\n", control.token);
        client.write.write_all(shown.as_bytes()).await.map_err(|error| client.failed(&error))?;
        Ok(client)
    }

    /// Connects to the replica that runs on a store.
    ///
    /// # Errors
    /// When none runs.
    pub async fn connect(store: &Path) -> Result<Self, ReplicaError> {
        Self::find(store).await?.ok_or_else(|| ReplicaError::Local {
            store: store.to_owned(),
            reason: "no replica runs there; start it with `musubi serve`".into(),
        })
    }

    /// Asks the replica, and waits for its answer.
    ///
    /// # Errors
    /// What the replica answered, or that it went away.
    pub async fn ask(
        &mut self,
        request: &Request,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<serde_json::Value, ReplicaError> {
        let mut line = serde_json::to_vec(request).map_err(|error| self.failed(&error))?;
        line.push(b'\n');
        self.write.write_all(&line).await.map_err(|error| self.failed(&error))?;
        loop {
            let mut line = String::new();
            let read = read_line(&mut self.lines, &mut line, LINE_BYTES_MAX)
                .await
                .map_err(|error| self.failed(&error))?;
            if read == 0 {
                return Err(self.failed(&"it ended before it answered"));
            }
            match serde_json::from_str(&line).map_err(|error| self.failed(&error))? {
                Said::Progress(step) => progress(step),
                Said::Answer(answer) => return Ok(answer),
                Said::Error { message, kind } => return Err(ReplicaError::Answered { message, kind }),
            }
        }
    }

    fn failed(&self, reason: &dyn std::fmt::Display) -> ReplicaError {
        ReplicaError::Local { store: self.store.clone(), reason: reason.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo() -> Arc<Answerer> {
        Arc::new(|request, mut progress| {
            Box::pin(async move {
                progress(Progress { doing: "echoing".into(), done: 1, of: 1, unit: "lines".into() });
                match request {
                    Request::Find { text, .. } => Ok(serde_json::json!({ "text": text })),
                    _ => Err(ReplicaError::Call("only find".into())),
                }
            })
        })
    }

    #[tokio::test]
    async fn a_command_is_answered_and_a_wrong_token_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let listen = "127.0.0.1:9".parse().unwrap();
        assert!(LocalClient::find(dir.path()).await.unwrap().is_none());
        let socket = ControlSocket::open(dir.path(), listen, "secret".into()).await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let client = async {
            let mut client = LocalClient::connect(dir.path()).await.unwrap();
            let mut steps = 0;
            let find = Request::Find { text: "山田".into(), limit: 1 };
            let answer = client.ask(&find, &mut |_| steps += 1).await.unwrap();
            assert_eq!((answer["text"].as_str(), steps), (Some("山田"), 1));
            let error = client.ask(&Request::Status, &mut |_| {}).await.unwrap_err();
            assert_eq!((error.to_string().as_str(), error.kind()), ("only find", Kind::Fix));
            let path = dir.path().join(CONTROL_FILE);
            let control = std::fs::read_to_string(&path).unwrap().replace("secret", "guess!");
            std::fs::write(&path, control).unwrap();
            let mut stranger = LocalClient::connect(dir.path()).await.unwrap();
            let error = stranger.ask(&find, &mut |_| {}).await.unwrap_err();
            assert!(error.to_string().contains("token"), "{error}");
            stop.send(true).unwrap();
        };
        tokio::join!(socket.serve(echo(), stopped), client);
        drop(socket);
        assert!(LocalClient::find(dir.path()).await.unwrap().is_none());
    }
}
