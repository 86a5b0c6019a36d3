//! Where a replica runs: its address, how processes are started there, and how its control socket is reached.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where a replica runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The address of the replica's UDP socket.
    pub listen: SocketAddr,
    /// The drill's own address as the replica reaches it: where its relays stand.
    pub front: IpAddr,
    /// The network namespace and the door into it; none for the machine's own network.
    pub inside: Option<Inside>,
}

/// A network namespace in which a replica runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inside {
    /// The namespace's name.
    pub namespace: String,
    /// The address of the door into it.
    pub door: SocketAddr,
}

/// A replica's disk, and the way to the replica that runs on it.
#[derive(Debug, Clone)]
pub struct Home {
    /// The folder of the disk.
    pub store: PathBuf,
    /// The door to its control socket; none when that is on this network.
    pub door: Option<SocketAddr>,
}

impl Place {
    /// Finds a place on 127.0.0.1: a free UDP port, which a replica keeps for the whole drill, so that its relays
    /// need not move.
    ///
    /// # Errors
    /// When the system has no port.
    pub fn on_loopback() -> std::io::Result<Self> {
        let listen = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        Ok(Self { listen, front: Ipv4Addr::LOCALHOST.into(), inside: None })
    }

    /// Begins a command that runs a program in this place, as the process that is started itself.
    pub fn command(&self, exe: &Path) -> Command {
        match &self.inside {
            None => Command::new(exe),
            Some(inside) => inside.command(exe),
        }
    }
}

impl Inside {
    /// Begins a command that runs a program in the namespace; `ip` becomes it, with the same process id.
    pub fn command(&self, exe: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]).arg(exe);
        command
    }
}
