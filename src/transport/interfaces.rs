//! The network interfaces on which others can be met: up, with multicast, and not the machine's own loop.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::{InterfaceFlags, if_nametoindex};

/// Most interfaces that are used, and most addresses of each.
pub const INTERFACES_MAX: usize = 16;

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Interface {
    /// The system's number of it.
    pub index: u32,
    /// Its addresses, with the masks of their networks.
    pub v4: Vec<(Ipv4Addr, Ipv4Addr)>,
    /// Its link-local address.
    pub v6: Option<Ipv6Addr>,
}

/// Lists the interfaces. May wait for the system.
///
/// # Errors
/// When the system does not tell.
pub fn interfaces() -> io::Result<Vec<Interface>> {
    let wanted = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING | InterfaceFlags::IFF_MULTICAST;
    let mut found: BTreeMap<String, Interface> = BTreeMap::new();
    for it in getifaddrs()? {
        if !it.flags.contains(wanted) || it.flags.contains(InterfaceFlags::IFF_LOOPBACK) {
            continue;
        }
        let Some(address) = it.address else { continue };
        if found.len() >= INTERFACES_MAX && !found.contains_key(&it.interface_name) {
            continue;
        }
        let interface = found.entry(it.interface_name).or_default();
        if let Some(v4) = address.as_sockaddr_in().filter(|_| interface.v4.len() < INTERFACES_MAX) {
            let mask = it.netmask.as_ref().and_then(|mask| mask.as_sockaddr_in()).map(|mask| mask.ip());
            interface.v4.push((v4.ip(), mask.unwrap_or(Ipv4Addr::BROADCAST)));
        }
        if let Some(v6) = address.as_sockaddr_in6().filter(|v6| v6.ip().is_unicast_link_local()) {
            interface.v6.get_or_insert(v6.ip());
        }
    }
    let mut listed = Vec::new();
    for (name, interface) in found {
        // One that has just gone has no number any more.
        if let Ok(index) = if_nametoindex(name.as_str()) {
            listed.push(Interface { index, ..interface });
        }
    }
    Ok(listed)
}

/// Says whether an address is on the network of one of these interfaces, and not one of their own.
pub fn is_near(interfaces: &[Interface], address: &SocketAddr) -> bool {
    interfaces.iter().any(|interface| match address {
        SocketAddr::V4(it) => interface
            .v4
            .iter()
            .any(|(own, mask)| own.to_bits() & mask.to_bits() == it.ip().to_bits() & mask.to_bits()),
        SocketAddr::V6(it) => {
            it.ip().is_unicast_link_local() && it.scope_id() == interface.index && interface.v6.is_some()
        }
    })
}

/// Leaves of the interfaces what a socket that listens on `listen` can be reached at.
pub fn reached_at(interfaces: Vec<Interface>, listen: IpAddr) -> Vec<Interface> {
    let of = |mut interface: Interface| {
        match listen {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => interface.v6 = None,
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {}
            one => {
                interface.v4.retain(|(own, _)| IpAddr::V4(*own) == one);
                interface.v6 = interface.v6.filter(|own| IpAddr::V6(*own) == one);
            }
        }
        (!interface.v4.is_empty() || interface.v6.is_some()).then_some(interface)
    };
    interfaces.into_iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface() -> Interface {
        let v4 = vec![(Ipv4Addr::new(192, 0, 2, 7), Ipv4Addr::new(255, 255, 255, 0))];
        Interface { index: 3, v4, v6: Some("fe80::7".parse().unwrap()) }
    }

    #[test]
    fn only_addresses_of_the_same_network_are_near() {
        let near = |text: &str| is_near(&[interface()], &text.parse().unwrap());
        assert!(near("192.0.2.200:1") && !near("192.0.3.7:1") && !near("198.51.100.1:1"));
        assert!(near("[fe80::9%3]:1") && !near("[fe80::9%4]:1") && !near("[2001:db8::1]:1"));
    }

    #[test]
    fn who_listens_on_one_address_is_reached_there_alone() {
        let reached = |listen: &str| reached_at(vec![interface()], listen.parse().unwrap());
        assert_eq!(reached("::"), [interface()]);
        assert_eq!(reached("0.0.0.0"), [Interface { v6: None, ..interface() }]);
        assert_eq!(reached("192.0.2.7"), [Interface { v6: None, ..interface() }]);
        assert_eq!(reached("fe80::7"), [Interface { v4: vec![], ..interface() }]);
        assert_eq!(reached("2001:db8::1"), []);
    }

    #[test]
    fn the_loop_is_no_network() {
        assert!(interfaces().unwrap().iter().all(|it| it.v4.iter().all(|(own, _)| !own.is_loopback())));
    }
}
