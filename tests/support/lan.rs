//! Local networks made of namespaces: a bridge in one, and machines in others that are plugged into it. As root only.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;

use nix::sched::{CloneFlags, setns};

use crate::netns::ip;

/// What names of these namespaces begin with.
const PREFIX: &str = "mulan-";

/// How many namespaces this process has made.
static MADE: AtomicU32 = AtomicU32::new(0);

/// Says whether this machine lets this user make networks, and prints why a test is skipped if not. Where every test is
/// wanted (`MUSUBI_REQUIRE_SERVERS`), a machine that has namespaces must have the rest, too.
pub fn is_possible(test: &str) -> bool {
    remove_leftovers();
    let Some(probe) = Namespace::try_make() else {
        eprintln!("SKIPPED {test}: network namespaces need root and `ip` of iproute2");
        return false;
    };
    let made = probe.tries(&["link", "add", "br0", "type", "bridge"]);
    assert!(made || std::env::var_os("MUSUBI_REQUIRE_SERVERS").is_none(), "no bridge in a namespace");
    if !made {
        eprintln!("SKIPPED {test}: this kernel has no bridges");
    }
    made
}

/// A network namespace; removed when dropped.
pub struct Namespace {
    /// Its name.
    pub name: String,
}

impl Namespace {
    fn try_make() -> Option<Self> {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}", std::process::id());
        ip(&["netns", "add", &name])?;
        Some(Self { name })
    }

    fn make() -> Self {
        Self::try_make().expect("a namespace")
    }

    fn tries(&self, words: &[&str]) -> bool {
        ip(&[&["-n", &self.name], words].concat()).is_some()
    }

    /// Runs `ip` in it.
    pub fn ip(&self, words: &[&str]) -> String {
        ip(&[&["-n", &self.name], words].concat()).unwrap_or_else(|| panic!("ip {words:?} in {}", self.name))
    }

    /// Does something in it, on a thread of its own.
    pub fn inside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        let file = std::fs::File::open(Path::new("/run/netns").join(&self.name)).expect("the namespace");
        std::thread::spawn(move || {
            setns(file, CloneFlags::CLONE_NEWNET).expect("into the namespace");
            work()
        })
    }

    /// Returns the local UDP ports that are open in it, of both families.
    pub fn udp_ports(&self) -> Vec<u16> {
        let table = |file: &'static str| {
            let read = self.inside(move || std::fs::read_to_string(format!("/proc/thread-self/net/{file}")));
            read.join().expect("it reads").expect("the table")
        };
        let tables = [table("udp"), table("udp6")];
        let rows = tables.iter().flat_map(|table| table.lines().skip(1));
        let ports = rows.filter_map(|row| row.split_whitespace().nth(1)?.rsplit(':').next());
        ports.map(|port| u16::from_str_radix(port, 16).expect("a port")).collect()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = ip(&["netns", "del", &self.name]);
    }
}

/// A network.
pub struct Lan {
    switch: Namespace,
}

impl Lan {
    /// Makes one, with nobody on it.
    pub fn new() -> Self {
        let switch = Namespace::make();
        switch.ip(&["link", "add", "br0", "type", "bridge", "mcast_snooping", "0"]);
        switch.ip(&["link", "set", "br0", "up"]);
        Self { switch }
    }

    /// Plugs a machine in, at a device of this name and an address (`10.7.0.1/24`), or IPv6's own alone.
    pub fn plug(&self, machine: &Machine, device: &str, address: Option<&str>) {
        let port = format!("p{}", MADE.fetch_add(1, Ordering::Relaxed));
        let inside = &machine.0;
        let pair = ["link", "add", &port, "type", "veth", "peer", "name", device, "netns", &inside.name];
        self.switch.ip(&pair);
        self.switch.ip(&["link", "set", &port, "master", "br0", "up"]);
        if let Some(address) = address {
            inside.ip(&["addr", "add", address, "dev", device]);
        }
        inside.ip(&["link", "set", device, "up"]);
    }

    /// Switches the network off, or on again.
    pub fn power(&self, on: bool) {
        let state = if on { "up" } else { "down" };
        let listed = self.switch.ip(&["-o", "link", "show", "master", "br0"]);
        let ports =
            listed.lines().filter_map(|line| line.split_whitespace().nth(1)?.split(['@', ':']).next());
        for port in ports {
            self.switch.ip(&["link", "set", port, state]);
        }
    }
}

/// A machine with a loop and nothing else.
pub struct Machine(
    /// Its namespace.
    pub Namespace,
);

impl Machine {
    /// Makes one.
    pub fn new() -> Self {
        let namespace = Namespace::make();
        namespace.ip(&["link", "set", "lo", "up"]);
        Self(namespace)
    }

    /// Pulls a plug.
    pub fn unplug(&self, device: &str) {
        self.0.ip(&["link", "del", device]);
    }
}

/// Removes what tests have left whose process is gone.
fn remove_leftovers() {
    let listed = ip(&["netns", "list"]).unwrap_or_default();
    for name in listed.lines().filter_map(|line| line.split_whitespace().next()) {
        let process = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            let _ = ip(&["netns", "del", name]);
        }
    }
}
