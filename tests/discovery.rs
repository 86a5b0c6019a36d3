//! Replicas that find each other on a local network: real processes and sockets on bridges between namespaces. As root only.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::sleep;

use crate::support::lan::{self, Lan, Machine};
use crate::support::region::{Region, Serving};

/// Finding and syncing takes a second or two; a debug build on a busy machine may need more.
const SOON: Duration = Duration::from_secs(60);
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const MDNS: u16 = 5_353;
const PORT: u16 = 7_440;

/// A tablet of a realm: a store, a machine, and the replica that runs there.
struct Tablet<'a> {
    region: &'a Region,
    name: &'static str,
    machine: &'a Machine,
    serving: Serving,
}

impl<'a> Tablet<'a> {
    async fn start(region: &'a Region, name: &'static str, machine: &'a Machine, config: &str) -> Self {
        if !region.path(name).exists() {
            region.enrol(name).await;
        }
        let serving = region.serve_inside(&machine.0.name, name, config).await;
        Self { region, name, machine, serving }
    }

    async fn done(&self, words: &[&str]) -> Value {
        let answer = self.region.run_inside(&self.machine.0.name, words).await;
        assert_eq!(answer.status, 0, "{words:?}: {}", answer.json);
        answer.json
    }

    async fn status(&self) -> Value {
        self.done(&["status", "--store", self.name]).await
    }

    async fn registers(&self, patient: &str) {
        self.done(&["record", "--store", self.name, "new", "--name", patient]).await;
    }

    async fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let status = self.status().await;
            if holds(&status) {
                return status;
            }
            assert!(begun.elapsed() < SOON, "{}: {what}: {status:#}", self.name);
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Waits until it has found a device and holds so many records.
    async fn meets(&self, device: &str, records: u64) -> Value {
        self.until(&format!("meets {device}, {records} records"), |status| {
            names(status).contains(&device) && status["records"] == records
        })
        .await
    }
}

const EVERYWHERE: &str = "listen = '0.0.0.0:7440'";

fn names(status: &Value) -> Vec<&str> {
    let found = status["nearby"]["found"].as_array().expect("it looks around");
    found.iter().filter_map(|found| found["device"].as_str()).collect()
}

fn addresses(status: &Value) -> Vec<String> {
    let found = status["nearby"]["found"].as_array().expect("it looks around").iter();
    let of = |found: &Value| found["addresses"].as_array().expect("addresses").clone();
    found.flat_map(of).map(|it| it.as_str().expect("text").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tablets_find_each_other_without_configuration_and_sync() {
    if !lan::is_possible("two-tablets") {
        return;
    }
    let (lan, here, there) = (Lan::new(), Machine::new(), Machine::new());
    lan.plug(&here, "eth0", Some("10.7.0.1/24"));
    lan.plug(&there, "eth0", Some("10.7.0.2/24"));
    let region = Region::create().await;
    let first = Tablet::start(&region, "tablet-1", &here, EVERYWHERE).await;
    let second = Tablet::start(&region, "tablet-2", &there, EVERYWHERE).await;
    first.registers("清水 一郎").await;
    second.registers("田中 二郎").await;
    let status = first.meets("tablet-2", 2).await;
    assert_eq!(addresses(&status), ["10.7.0.2:7440"]);
    let status = second.meets("tablet-1", 2).await;
    assert_eq!(status["heads"], first.status().await["heads"]);
    assert_eq!(status["peers"].as_array().unwrap().len(), 1, "{status:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tablets_without_any_ipv4_address_meet_by_ipv6() {
    if !lan::is_possible("ipv6") {
        return;
    }
    let (lan, here, there) = (Lan::new(), Machine::new(), Machine::new());
    lan.plug(&here, "eth0", None);
    lan.plug(&there, "eth0", None);
    let region = Region::create().await;
    let first = Tablet::start(&region, "tablet-1", &here, "listen = '[::]:7440'").await;
    let second = Tablet::start(&region, "tablet-2", &there, "listen = '[::]:7440'").await;
    second.registers("田中 二郎").await;
    let status = first.meets("tablet-2", 1).await;
    assert!(addresses(&status).iter().all(|it| it.starts_with("[fe80::")), "{status:#}");
}

/// The second is on both networks, and hands on; the third comes when the others have met long since.
#[tokio::test(flavor = "multi_thread")]
async fn a_tablet_on_two_networks_joins_both_and_one_that_comes_later_is_found() {
    if !lan::is_possible("two-networks") {
        return;
    }
    let (lans, machines) = ([Lan::new(), Lan::new()], [(); 3].map(|()| Machine::new()));
    lans[0].plug(&machines[0], "eth0", Some("10.7.0.1/24"));
    lans[0].plug(&machines[1], "eth0", Some("10.7.0.2/24"));
    lans[1].plug(&machines[1], "eth1", Some("10.8.0.2/24"));
    lans[1].plug(&machines[2], "eth0", Some("10.8.0.3/24"));
    let region = Region::create().await;
    let both = "listen = '[::]:7440'";
    let first = Tablet::start(&region, "tablet-1", &machines[0], EVERYWHERE).await;
    let second = Tablet::start(&region, "tablet-2", &machines[1], both).await;
    first.registers("清水 一郎").await;
    second.meets("tablet-1", 1).await;
    let third = Tablet::start(&region, "tablet-3", &machines[2], both).await;
    third.registers("三浦 花子").await;
    let status = third.meets("tablet-2", 2).await;
    assert!(!names(&status).contains(&"tablet-1"), "{status:#}");
    first.meets("tablet-2", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_goes_and_comes_back_is_used_again() {
    if !lan::is_possible("comes-back") {
        return;
    }
    let (lan, here, there) = (Lan::new(), Machine::new(), Machine::new());
    lan.plug(&here, "eth0", Some("10.7.0.1/24"));
    lan.plug(&there, "eth0", Some("10.7.0.2/24"));
    let region = Region::create().await;
    let first = Tablet::start(&region, "tablet-1", &here, EVERYWHERE).await;
    let second = Tablet::start(&region, "tablet-2", &there, EVERYWHERE).await;
    first.meets("tablet-2", 0).await;
    lan.power(false);
    first.until("forgets", |status| addresses(status).is_empty()).await;
    second.until("forgets", |status| addresses(status).is_empty()).await;
    first.registers("清水 一郎").await;
    second.registers("田中 二郎").await;
    lan.power(true);
    first.meets("tablet-2", 2).await;
    second.meets("tablet-1", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tablet_that_changes_its_network_meets_those_of_the_new_one() {
    if !lan::is_possible("changes") {
        return;
    }
    let (lans, machines) = ([Lan::new(), Lan::new()], [(); 3].map(|()| Machine::new()));
    lans[0].plug(&machines[0], "eth0", Some("10.7.0.1/24"));
    lans[0].plug(&machines[1], "wlan0", Some("10.7.0.2/24"));
    lans[1].plug(&machines[2], "eth0", Some("10.8.0.3/24"));
    let region = Region::create().await;
    let first = Tablet::start(&region, "tablet-1", &machines[0], EVERYWHERE).await;
    let courier = Tablet::start(&region, "tablet-2", &machines[1], EVERYWHERE).await;
    let third = Tablet::start(&region, "tablet-3", &machines[2], EVERYWHERE).await;
    first.registers("清水 一郎").await;
    courier.meets("tablet-1", 1).await;
    machines[1].unplug("wlan0");
    lans[1].plug(&machines[1], "wlan0", Some("10.8.0.2/24"));
    let status = courier.meets("tablet-3", 1).await;
    assert_eq!(addresses(&status), ["10.8.0.3:7440"]);
    third.meets("tablet-2", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn switched_off_opens_no_socket_and_is_found_by_nobody() {
    if !lan::is_possible("off") {
        return;
    }
    let (lan, here, there) = (Lan::new(), Machine::new(), Machine::new());
    lan.plug(&here, "eth0", Some("10.7.0.1/24"));
    lan.plug(&there, "eth0", Some("10.7.0.2/24"));
    let region = Region::create().await;
    let off = format!("{EVERYWHERE}\ndiscovery = false");
    let silent = Tablet::start(&region, "tablet-1", &here, &off).await;
    let open = Tablet::start(&region, "tablet-2", &there, EVERYWHERE).await;
    open.until("has its sockets", |_| there.0.udp_ports().contains(&MDNS)).await;
    // Longer than it takes two that look for each other.
    sleep(Duration::from_secs(5)).await;
    assert_eq!(here.0.udp_ports(), [PORT]);
    assert_eq!(addresses(&open.status().await), [""; 0]);
    let status = silent.status().await;
    assert!(status["nearby"].is_null() && status["peers"] == serde_json::json!([]), "{status:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_of_another_realm_is_neither_answered_nor_dialled() {
    if !lan::is_possible("stranger") {
        return;
    }
    let (lan, machines) = (Lan::new(), [(); 4].map(|()| Machine::new()));
    for (machine, address) in
        machines.iter().zip(["10.7.0.1/24", "10.7.0.2/24", "10.7.0.3/24", "10.7.0.4/24"])
    {
        lan.plug(machine, "eth0", Some(address));
    }
    let eavesdropper = Eavesdropper::on(&machines[3], [10, 7, 0, 4]);
    let (region, other) = (Region::create().await, Region::create().await);
    let first = Tablet::start(&region, "tablet-1", &machines[0], EVERYWHERE).await;
    let stranger = Tablet::start(&other, "tablet-1", &machines[2], EVERYWHERE).await;
    let second = Tablet::start(&region, "tablet-2", &machines[1], EVERYWHERE).await;
    first.meets("tablet-2", 0).await;
    second.meets("tablet-1", 0).await;
    // All three have asked who is here by now.
    sleep(Duration::from_secs(5)).await;
    let heard = eavesdropper.heard(Duration::from_millis(200));
    assert!(heard.len() >= 9, "three questions of each: {}", heard.len());

    // What passes says nothing that a stranger understands.
    let (status, theirs) = (first.status().await, stranger.status().await);
    for secret in
        ["tablet", "三浦", status["device_id"].as_str().unwrap(), theirs["device_id"].as_str().unwrap()]
    {
        assert!(heard.iter().all(|(_, message)| !contains(message, secret.as_bytes())), "{secret}");
    }
    // Neither a stranger's question, nor what a member said repeated by a stranger, is answered: all are silent for 15 s
    // after their questions, then speak once in 15 to 25 s.
    let (begun, mut said) = (Instant::now(), 0);
    while begun.elapsed() < Duration::from_secs(6) {
        for message in [&question("_musubi._udp.local"), &question("_services._dns-sd._udp.local")] {
            eavesdropper.says(message);
        }
        heard.iter().for_each(|(_, message)| eavesdropper.says(message));
        said += eavesdropper.heard(Duration::from_millis(200)).len();
    }
    assert!(said <= 3, "{said} answers to strangers");

    assert_eq!(addresses(&first.status().await), ["10.7.0.2:7440"]);
    assert_eq!(addresses(&second.status().await), ["10.7.0.1:7440"]);
    let theirs = stranger.status().await;
    let nobody = serde_json::json!([]);
    assert_eq!((&theirs["nearby"]["found"], &theirs["peers"]), (&nobody, &nobody));
    for status in [theirs, first.status().await, second.status().await] {
        assert_eq!(status["refused"], serde_json::json!({}), "nobody has dialled a stranger");
    }
    assert_eq!(eavesdropper.dialled(), 0, "nobody dials whoever repeats what a member said");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_announcements_costs_little_and_keeps_nobody_from_being_found() {
    if !lan::is_possible("flood") {
        return;
    }
    let (lan, machines) = (Lan::new(), [(); 3].map(|()| Machine::new()));
    for (machine, address) in machines.iter().zip(["10.7.0.1/24", "10.7.0.2/24", "10.7.0.3/24"]) {
        lan.plug(machine, "eth0", Some(address));
    }
    let eavesdropper = Eavesdropper::on(&machines[2], [10, 7, 0, 3]);
    let region = Region::create().await;
    let first = Tablet::start(&region, "tablet-1", &machines[0], EVERYWHERE).await;
    let (_, message) = eavesdropper.heard(SOON).remove(0);
    let before = first.serving.cost();

    let over = Arc::new(AtomicBool::new(false));
    let flooding = {
        let over = over.clone();
        machines[2].0.inside(move || {
            let socket = speaker([10, 7, 0, 3]);
            let (mut sent, mut message) = (0_u64, message);
            // The label of a replica stands behind its length, 56; its first half is the salt.
            let labels: Vec<usize> = (1..message.len() - 56)
                .filter(|at| message[at - 1] == 56 && message[*at..at + 56].iter().all(u8::is_ascii_hexdigit))
                .collect();
            assert_eq!(labels.len(), 3);
            while !over.load(Ordering::Relaxed) {
                for _ in 0..20 {
                    let forged = format!("{sent:024x}");
                    labels.iter().for_each(|at| message[*at..at + 24].copy_from_slice(forged.as_bytes()));
                    sent += u64::from(socket.send_to(&message, (GROUP, MDNS)).is_ok());
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            sent
        })
    };
    let begun = Instant::now();
    let second = Tablet::start(&region, "tablet-2", &machines[1], EVERYWHERE).await;
    second.registers("田中 二郎").await;
    first.meets("tablet-2", 1).await;
    second.meets("tablet-1", 1).await;
    while begun.elapsed() < Duration::from_secs(8) {
        sleep(Duration::from_millis(100)).await;
    }
    over.store(true, Ordering::Relaxed);
    let (sent, took) = (flooding.join().unwrap(), begun.elapsed());
    let (cpu, memory) = first.serving.cost();
    let (cpu, memory) = (cpu - before.0, memory.saturating_sub(before.1));
    println!("{sent} forged announcements in {took:?}: {cpu:?} of CPU, {memory} kB more");
    assert!(sent > 10_000, "{sent}");
    assert!(cpu < took / 2 && memory < 40_000, "{cpu:?} of CPU in {took:?}, {memory} kB more");
    assert_eq!(addresses(&first.status().await), ["10.7.0.2:7440"]);
}

/// A stranger who hears what is said on a network, says things itself, and counts who dials it.
struct Eavesdropper {
    group: UdpSocket,
    speaker: UdpSocket,
    dialled: UdpSocket,
}

impl Eavesdropper {
    fn on(machine: &Machine, own: [u8; 4]) -> Self {
        let opened = machine.0.inside(move || {
            let group = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, MDNS)).unwrap();
            group.join_multicast_v4(&GROUP, &own.into()).unwrap();
            let dialled = UdpSocket::bind((Ipv4Addr::from(own), PORT)).unwrap();
            dialled.set_nonblocking(true).unwrap();
            Self { group, speaker: speaker(own), dialled }
        });
        opened.join().unwrap()
    }

    /// Returns what others say, until nothing was said for so long; what was said by itself is left out.
    fn heard(&self, within: Duration) -> Vec<(SocketAddr, Vec<u8>)> {
        let (mut heard, mut buffer) = (Vec::new(), [0; 2_000]);
        let own = self.speaker.local_addr().unwrap();
        self.group.set_read_timeout(Some(within)).unwrap();
        while let Ok((length, from)) = self.group.recv_from(&mut buffer) {
            if from != own {
                heard.push((from, buffer[..length].to_vec()));
                self.group.set_read_timeout(Some(within.min(Duration::from_millis(200)))).unwrap();
            }
        }
        heard
    }

    fn says(&self, message: &[u8]) {
        self.speaker.send_to(message, (GROUP, MDNS)).unwrap();
    }

    fn dialled(&self) -> usize {
        let mut buffer = [0; 2_000];
        std::iter::from_fn(|| self.dialled.recv_from(&mut buffer).ok()).count()
    }
}

fn speaker(own: [u8; 4]) -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::from(own), 0)).unwrap()
}

/// A question of DNS-SD, as a browser of services asks it.
fn question(name: &str) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.bytes());
    }
    bytes.extend([0, 0, 12, 0, 1]);
    bytes
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
