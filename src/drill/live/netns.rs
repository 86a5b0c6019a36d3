//! A network namespace for each replica, joined to the drill's own network by a pair of virtual devices.
//!
//! ```text
//!   the machine's network                            namespace musubi-PID-0
//!   relays, S3 proxy   muPID-0 198.18.x.1/30 ═══ eth0 198.18.x.2/30  musubi serve, door
//!                      muPID-1 198.18.x.5/30 ═══ eth0 198.18.x.6/30  namespace musubi-PID-1
//! ```
//!
//! Every replica binds to and talks from an address of its own. Namespaces have no route to each other: what one
//! replica sends to another goes through a relay of the link between them, or nowhere.
//!
//! They are removed when the value is dropped; those of a drill that was killed, with what still runs in them, at
//! the next start of a drill with namespaces.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::time::sleep;

use super::place::{Inside, Place};

/// Most replicas of one drill with namespaces.
pub const PLACES_MAX: usize = 64;

/// The network that RFC 2544 keeps for tests of network devices: 198.18.0.0/15.
const NETWORK: u32 = u32::from_be_bytes([198, 18, 0, 0]);
/// Blocks of [`PLACES_MAX`] networks of four addresses in it.
const BLOCKS: u32 = 512;
/// Addresses of a network of 30 bits.
const STEP: u32 = 4;
/// The UDP port of a replica in its namespace, where nobody else is.
const REPLICA_PORT: u16 = 4646;
/// The TCP port of the door.
const DOOR_PORT: u16 = 4747;
/// How long a door may take to open.
const OPEN_WITHIN: Duration = Duration::from_secs(15);
/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// What names of namespaces begin with.
const PREFIX: &str = "musubi-";

/// Why namespaces could not be had.
#[derive(Debug, thiserror::Error)]
pub enum NetnsError {
    /// The tool that makes them is not there.
    #[error("running `ip`, which makes network namespaces: {0}")]
    NoTool(#[source] io::Error),
    /// The tool refused.
    #[error("`ip {words}`: {said}")]
    Refused {
        /// What was asked.
        words: String,
        /// What it said.
        said: String,
    },
    /// There are too many replicas.
    #[error("{0} replicas, each in a network namespace: at most {PLACES_MAX}")]
    TooMany(usize),
    /// No addresses are left.
    #[error("choosing addresses: all of 198.18.0.0/15 is in use on this machine")]
    NoAddresses,
    /// A door did not open.
    #[error("opening a door into namespace {namespace}: {reason}")]
    Door {
        /// The namespace.
        namespace: String,
        /// Why not.
        reason: String,
    },
}

/// The namespaces of one drill; removed when dropped.
#[derive(Debug)]
pub struct Netns {
    rooms: Vec<Room>,
}

#[derive(Debug)]
struct Room {
    name: Name,
    place: Place,
    door: Option<Child>,
}

/// The name of a namespace: the process of its drill, and its place in that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Name {
    process: u32,
    number: usize,
}

impl Netns {
    /// Makes so many namespaces, with an address and an open door each, and removes those of drills that are dead.
    ///
    /// # Errors
    /// [`NetnsError`] saying what the system refused; nothing stays then.
    pub async fn build(exe: &Path, count: usize) -> Result<Self, NetnsError> {
        if count > PLACES_MAX {
            return Err(NetnsError::TooMany(count));
        }
        remove_leftovers()?;
        let process = std::process::id();
        let base = free_block(process, &ip(&["-o", "-4", "addr", "show"])?)?;
        let mut built = Self { rooms: Vec::new() };
        for number in 0..count {
            let name = Name { process, number };
            let network = base + STEP * u32::try_from(number).unwrap_or_default();
            let [here, there] = [1, 2].map(|host| Ipv4Addr::from_bits(network + host));
            let door = SocketAddr::from((there, DOOR_PORT));
            let inside = Inside { namespace: name.namespace(), door };
            let listen = SocketAddr::from((there, REPLICA_PORT));
            let place = Place { listen, front: here.into(), inside: Some(inside) };
            // Noted first, so that half a room is removed, too.
            built.rooms.push(Room { name, place, door: None });
            join(name, here, there)?;
        }
        for room in &mut built.rooms {
            room.open_door(exe)?;
        }
        for room in &mut built.rooms {
            room.wait_for_door().await?;
        }
        Ok(built)
    }

    /// Returns the place of each replica, in their order.
    pub fn places(&self) -> Vec<Place> {
        self.rooms.iter().map(|room| room.place.clone()).collect()
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        for room in &mut self.rooms {
            if let Some(mut door) = room.door.take() {
                // Both fail only when it has ended and was awaited.
                let _ = door.kill();
                let _ = door.wait();
            }
            room.name.remove();
        }
    }
}

impl Room {
    fn open_door(&mut self, exe: &Path) -> Result<(), NetnsError> {
        let Some(inside) = &self.place.inside else { return Ok(()) };
        let mut command = inside.command(exe);
        command.args(["drill", "door", &inside.door.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        self.door = Some(command.spawn().map_err(NetnsError::NoTool)?);
        Ok(())
    }

    async fn wait_for_door(&mut self) -> Result<(), NetnsError> {
        let (Some(inside), Some(door)) = (&self.place.inside, &mut self.door) else { return Ok(()) };
        let failed = |reason: String| NetnsError::Door { namespace: inside.namespace.clone(), reason };
        let begun = Instant::now();
        while begun.elapsed() < OPEN_WITHIN {
            if let Some(status) = door.try_wait().map_err(|error| failed(error.to_string()))? {
                return Err(failed(format!("it ended with {status}")));
            }
            let reached = tokio::time::timeout(LOOK_EVERY, TcpStream::connect(inside.door)).await;
            if let Ok(Ok(_)) = reached {
                return Ok(());
            }
            sleep(LOOK_EVERY).await;
        }
        Err(failed(format!(
            "{} is not reached after {OPEN_WITHIN:?}; a firewall may stand in between",
            inside.door
        )))
    }
}

impl Name {
    /// Reads the name of a namespace; none when it is not of a drill.
    fn read(text: &str) -> Option<Self> {
        let (process, number) = text.strip_prefix(PREFIX)?.split_once('-')?;
        let name = Self { process: process.parse().ok()?, number: number.parse().ok()? };
        (name.namespace() == text).then_some(name)
    }

    fn namespace(self) -> String {
        format!("{PREFIX}{}-{}", self.process, self.number)
    }

    /// The device on the machine's side; the system takes 15 characters at most.
    fn device(self) -> String {
        format!("mu{}-{}", self.process, self.number)
    }

    /// Removes the devices, then the namespace; what is not there needs not be removed.
    fn remove(self) {
        let _ = ip(&["link", "del", &self.device()]);
        let _ = ip(&["netns", "del", &self.namespace()]);
    }

    fn is_dead(self) -> bool {
        !Path::new(&format!("/proc/{}", self.process)).exists()
    }
}

/// Makes a namespace and joins it to this network.
fn join(name: Name, here: Ipv4Addr, there: Ipv4Addr) -> Result<(), NetnsError> {
    let (namespace, device) = (name.namespace(), name.device());
    let (here, there) = (format!("{here}/30"), format!("{there}/30"));
    let inside = |words: &[&str]| ip(&[&["-n", &namespace], words].concat());
    ip(&["netns", "add", &namespace])?;
    ip(&["link", "add", &device, "type", "veth", "peer", "name", "eth0", "netns", &namespace])?;
    ip(&["addr", "add", &here, "dev", &device])?;
    ip(&["link", "set", &device, "up"])?;
    inside(&["addr", "add", &there, "dev", "eth0"])?;
    inside(&["link", "set", "eth0", "up"])?;
    // The control socket of a replica is on 127.0.0.1.
    inside(&["link", "set", "lo", "up"])?;
    Ok(())
}

/// Removes the namespaces of drills whose process is gone, and ends what runs in them.
fn remove_leftovers() -> Result<(), NetnsError> {
    let listed = ip(&["netns", "list"])?;
    let names = listed.lines().filter_map(|line| Name::read(line.split_whitespace().next()?));
    for name in names.filter(|name| name.is_dead()) {
        let left = ip(&["netns", "pids", &name.namespace()]).unwrap_or_default();
        for process in left.split_whitespace().filter_map(|id| id.parse::<u32>().ok()) {
            // The shell has `kill` built in. It fails only when the process is gone.
            let _ = Command::new("/bin/sh").args(["-c", &format!("kill -s KILL {process}")]).status();
        }
        name.remove();
    }
    Ok(())
}

/// Chooses a block of networks of which no address is in use here.
fn free_block(process: u32, addresses: &str) -> Result<u32, NetnsError> {
    let size = STEP * PLACES_MAX as u32;
    let used: Vec<u32> = addresses
        .split_whitespace()
        .filter_map(|word| word.split('/').next()?.parse::<Ipv4Addr>().ok())
        .map(Ipv4Addr::to_bits)
        .collect();
    let mut blocks = (0..BLOCKS).map(|turn| NETWORK + (process.wrapping_add(turn) % BLOCKS) * size);
    let is_free = |block: &u32| !used.iter().any(|used| (*block..*block + size).contains(used));
    blocks.find(is_free).ok_or(NetnsError::NoAddresses)
}

/// Runs `ip` and returns what it printed.
fn ip(words: &[&str]) -> Result<String, NetnsError> {
    let output = Command::new("ip").args(words).stdin(Stdio::null()).output().map_err(NetnsError::NoTool)?;
    if !output.status.success() {
        let said = super::command::complaint(&output.stderr);
        return Err(NetnsError::Refused { words: words.join(" "), said });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_a_drill_gives_are_read() {
        let name = Name { process: 4_194_304, number: 63 };
        assert_eq!(Name::read(&name.namespace()), Some(name));
        assert!(name.device().len() <= 15);
        for other in ["musubi", "musubi-1", "musubi-x-1", "musubi-01-1", "musubi-1-1x", "other-1-1"] {
            assert_eq!(Name::read(other), None, "{other}");
        }
        assert!(!Name { process: std::process::id(), number: 0 }.is_dead());
    }

    #[test]
    fn addresses_in_use_are_passed_over() {
        let first = free_block(0, "1: lo    inet 127.0.0.1/8 scope host lo").unwrap();
        assert_eq!(Ipv4Addr::from_bits(first), Ipv4Addr::new(198, 18, 0, 0));
        let next = free_block(0, "2: mu7-0    inet 198.18.0.5/30 scope global mu7-0").unwrap();
        assert_eq!(Ipv4Addr::from_bits(next), Ipv4Addr::new(198, 18, 1, 0));
        let last = free_block(511, "").unwrap();
        assert_eq!(Ipv4Addr::from_bits(last), Ipv4Addr::new(198, 19, 255, 0));
        assert!(free_block(511, "inet 198.19.255.1/30").unwrap() == first);
    }
}
