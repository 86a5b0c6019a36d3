//! A real S3 server for tests: SeaweedFS in one process, its data in a temporary directory.
//!
//! `tests/run` installs it below `target/seaweedfs`; `MUSUBI_WEED` names another binary.

use musubi::backup::s3::{S3Bucket, S3Credentials, S3Place, S3Settings};
use musubi::backup::{Bucket, BucketError, ObjectKey};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The access key that the server knows.
pub const ACCESS_KEY: &str = "musubi-test";
/// Its secret.
pub const SECRET_KEY: &str = "musubi-test-secret";
/// An access key that may read, write and list in the bucket, and nothing else: a gateway's key as it should be.
pub const GATEWAY_ACCESS_KEY: &str = "musubi-gateway";
/// Its secret.
pub const GATEWAY_SECRET_KEY: &str = "musubi-gateway-secret";
/// The bucket that exists from the start.
pub const BUCKET: &str = "region-backup";

/// A second bucket, into which only this module puts: the server takes requests before it can store.
const PROBE_BUCKET: &str = "started";

/// SeaweedFS opens a gRPC port above each port.
const GRPC_PORT_OFFSET: u16 = 10_000;
/// Both the ports and those above lie below the range from which Linux takes outgoing ports.
const PORTS: std::ops::Range<u16> = 11_000..22_000;
/// How long a start may take on a loaded machine.
const START_TIME_MAX: Duration = Duration::from_secs(60);
/// Another process may take a chosen port first.
const STARTS_MAX: u32 = 3;

/// A running server; killed, by its process id, when dropped.
pub struct SeaweedFs {
    program: PathBuf,
    data: TempDir,
    ports: Ports,
    child: Child,
}

#[derive(Clone, Copy)]
struct Ports {
    master: u16,
    volume: u16,
    filer: u16,
    s3: u16,
    admin: u16,
}

impl SeaweedFs {
    /// Starts a server and waits until it stores objects. Without a binary the test says so and is skipped
    /// (`None`), unless `MUSUBI_REQUIRE_SERVERS=1`: then it fails.
    pub async fn start() -> Option<SeaweedFs> {
        let Some(program) = program() else {
            let required = std::env::var("MUSUBI_REQUIRE_SERVERS").is_ok_and(|value| value == "1");
            assert!(!required, "no SeaweedFS server, and MUSUBI_REQUIRE_SERVERS=1 (tests/run installs one)");
            let name = std::thread::current().name().unwrap_or("a test").to_owned();
            // Not by eprintln!, which the test runner keeps to itself when the test passes.
            let _ = writeln!(std::io::stderr(), "skipped {name}: no SeaweedFS server (run tests/run)");
            return None;
        };
        for start in 1..=STARTS_MAX {
            let data = TempDir::with_prefix("musubi-seaweed-").expect("a temporary directory");
            let ports = Ports::free();
            let child = spawn(&program, data.path(), ports);
            let mut server = SeaweedFs { program: program.clone(), data, ports, child };
            match server.wait_until_it_stores().await {
                Ok(()) => return Some(server),
                Err(problem) => eprintln!("start {start} of SeaweedFS: {problem}"),
            }
        }
        panic!("SeaweedFS did not start in {STARTS_MAX} attempts");
    }

    /// Where the server listens for S3.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports.s3))
    }

    /// What a client needs to reach a bucket of this server.
    pub fn settings(&self, bucket: &str, prefix: &str) -> S3Settings {
        settings_at(self.address(), bucket, prefix)
    }

    /// The bucket that exists from the start.
    pub fn bucket(&self) -> Bucket {
        Bucket::S3(S3Bucket::new(self.settings(BUCKET, "")))
    }

    /// Deletes an object, or replaces its bytes, as somebody with the bucket's keys could.
    pub async fn tamper(&self, key: &str, bytes: Option<Vec<u8>>) {
        let client = self.owner();
        match bytes {
            Some(bytes) => {
                let put = client.put_object().bucket(BUCKET).key(key).body(bytes.into()).send();
                put.await.expect("the object is overwritten");
            }
            None => {
                let deleted = client.delete_object().bucket(BUCKET).key(key).send();
                deleted.await.expect("the object is deleted");
            }
        }
    }

    /// A plain client, which may do what the program itself never does.
    fn owner(&self) -> aws_sdk_s3::Client {
        use aws_sdk_s3::config::{BehaviorVersion, Builder, Credentials, Region};
        let config = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(format!("http://{}", self.address()))
            .force_path_style(true);
        aws_sdk_s3::Client::from_conf(config.build())
    }

    /// Kills the server as a power cut would; its data stays.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts the killed server again, on the same ports and data.
    pub async fn restart(&mut self) {
        self.kill();
        self.child = spawn(&self.program, self.data.path(), self.ports);
        if let Err(problem) = self.wait_until_it_stores().await {
            panic!("restart of SeaweedFS: {problem}");
        }
    }

    async fn wait_until_it_stores(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        let mut last = None;
        while begun.elapsed() < START_TIME_MAX {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("it ended with {status}\n{}", self.log()));
            }
            match self.probe().await {
                Ok(()) => return Ok(()),
                Err(problem) => last = Some(problem),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(format!("nothing could be stored within {START_TIME_MAX:?}: {last:?}\n{}", self.log()))
    }

    async fn probe(&self) -> Result<(), BucketError> {
        let mut settings = self.settings(PROBE_BUCKET, "");
        settings.patience.attempts_max = 1;
        let probe = Bucket::S3(S3Bucket::new(settings));
        // Each start has another process id, and so writes an object of its own.
        probe.put_if_absent(&ObjectKey::new(self.child.id().to_string())?, vec![0]).await?;
        self.bucket().check().await
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.data.path().join("log")).unwrap_or_default()
    }
}

impl Drop for SeaweedFs {
    fn drop(&mut self) {
        self.kill();
        // SeaweedFS puts the sockets of its parts there, whatever TMPDIR says, and a killed one leaves them.
        let Ports { master, volume, filer, s3, admin } = self.ports;
        for (part, port) in
            [("master", master), ("volume", volume), ("filer", filer), ("s3", s3), ("admin", admin)]
        {
            let _ =
                std::fs::remove_file(format!("/tmp/seaweedfs-{part}-grpc-{}.sock", port + GRPC_PORT_OFFSET));
        }
    }
}

/// What a client needs to reach a bucket through any address, a proxy's for instance.
pub fn settings_at(address: SocketAddr, bucket: &str, prefix: &str) -> S3Settings {
    let place =
        S3Place::new(bucket, prefix, Some(&format!("http://{address}")), None).expect("a right address");
    S3Settings::new(place, S3Credentials::new(ACCESS_KEY, SECRET_KEY, None))
}

fn program() -> Option<PathBuf> {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/seaweedfs/bin/weed");
    let program = std::env::var_os("MUSUBI_WEED").map_or(installed, PathBuf::from);
    program.is_file().then_some(program)
}

fn spawn(program: &Path, data: &Path, ports: Ports) -> Child {
    let log = std::fs::File::create(data.join("log")).expect("a log file");
    let disk = data.join("disk");
    let identities = data.join("identities.json");
    std::fs::write(&identities, identities_json().to_string()).expect("the server's keys");
    let Ports { master, volume, filer, s3, admin } = ports;
    Command::new(program)
        .arg("mini")
        .arg(format!("-dir={}", disk.display()))
        .args(["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-webdav=false", "-admin.ui=false"])
        .args([
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-s3.autoCreateBucket=false",
            "-master.telemetry=false",
        ])
        .arg(format!("-bucket={BUCKET},{PROBE_BUCKET}"))
        .arg(format!("-s3.config={}", identities.display()))
        .arg(format!("-master.port={master}"))
        .arg(format!("-volume.port={volume}"))
        .arg(format!("-filer.port={filer}"))
        .arg(format!("-s3.port={s3}"))
        .arg(format!("-admin.port={admin}"))
        .arg(format!("-filer.localSocket={}", data.join("filer.sock").display()))
        .arg(format!("-s3.localSocket={}", data.join("s3.sock").display()))
        .current_dir(data)
        .env("HOME", data)
        .env("TMPDIR", data)
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a second handle of the log"))
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run {}: {error}", program.display()))
}

/// Who may do what; without it the server knows one key, which may do everything.
fn identities_json() -> serde_json::Value {
    let identity = |name: &str, key: &str, secret: &str, actions: &[String]| {
        let credentials = [serde_json::json!({ "accessKey": key, "secretKey": secret })];
        serde_json::json!({ "name": name, "credentials": credentials, "actions": actions })
    };
    let all = ["Admin", "Read", "Write", "List", "Tagging"].map(str::to_owned);
    let own = ["Read", "Write", "List"].map(|action| format!("{action}:{BUCKET}"));
    serde_json::json!({ "identities": [
        identity("owner", ACCESS_KEY, SECRET_KEY, &all),
        identity("gateway", GATEWAY_ACCESS_KEY, GATEWAY_SECRET_KEY, &own),
    ] })
}

impl Ports {
    /// Chooses ports that are free, together with those above them, at this moment.
    fn free() -> Ports {
        let mut held = Vec::new();
        Ports {
            master: free_port(&mut held),
            volume: free_port(&mut held),
            filer: free_port(&mut held),
            s3: free_port(&mut held),
            admin: free_port(&mut held),
        }
    }
}

/// Holds what it finds, so that the next search finds something else.
fn free_port(held: &mut Vec<TcpListener>) -> u16 {
    loop {
        let mut random = [0; 2];
        getrandom::fill(&mut random).expect("random bytes");
        let port = PORTS.start + u16::from_le_bytes(random) % (PORTS.end - PORTS.start);
        let listen = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        if let (Ok(own), Ok(above)) = (listen(port), listen(port + GRPC_PORT_OFFSET)) {
            held.extend([own, above]);
            return port;
        }
    }
}
