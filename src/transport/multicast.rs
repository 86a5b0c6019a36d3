//! The sockets of mDNS: one for each family of addresses, in the group of every interface.
//!
//! They are shared with whatever else speaks mDNS on the machine. Calls here may wait for the system, so they are made from a
//! thread of their own.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockAddr, Socket, Type};
use tokio::net::UdpSocket;

use super::beacon::{BEACON_BYTES_MAX, Beacon, RealmKey};
use super::error::TransportError;
use super::interfaces::{Interface, interfaces, is_near, reached_at};

const PORT: u16 = 5_353;
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
/// What RFC 6762 asks for: routers pass nothing on.
const HOPS: u32 = 255;

/// The sockets, and the interfaces on which they speak and listen.
#[derive(Debug)]
pub struct Multicast {
    listen: SocketAddr,
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
    interfaces: Vec<Interface>,
}

impl Multicast {
    /// Opens the sockets for an endpoint that listens on `listen`. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`TransportError::Bind`] when neither family can be had.
    pub fn open(listen: SocketAddr) -> Result<Self, TransportError> {
        let v4 = match listen.ip() {
            IpAddr::V4(_) | IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Some(open_v4()),
            IpAddr::V6(_) => None,
        };
        let v6 = listen.is_ipv6().then(open_v6);
        let (v4, v6) = match (v4, v6) {
            (Some(Err(source)), None | Some(Err(_))) | (None, Some(Err(source))) => {
                let addr =
                    SocketAddr::new(if listen.is_ipv4() { GROUP_V4.into() } else { GROUP_V6.into() }, PORT);
                return Err(TransportError::Bind { addr, source });
            }
            // A machine without one of the families meets others by the other one.
            (v4, v6) => (v4.and_then(Result::ok), v6.and_then(Result::ok)),
        };
        Ok(Self { listen, v4, v6, interfaces: Vec::new() })
    }

    /// Looks at the interfaces again, and joins the groups of those that are new; says whether something has changed.
    ///
    /// # Errors
    /// When the system does not tell of its interfaces.
    pub fn refresh(&mut self) -> io::Result<bool> {
        let now = reached_at(interfaces()?, self.listen.ip());
        if now == self.interfaces {
            return Ok(false);
        }
        for interface in now.iter().filter(|interface| !self.interfaces.contains(interface)) {
            self.join(interface);
        }
        self.interfaces = now;
        Ok(true)
    }

    /// Says whether an address is on a network that this machine is on.
    pub fn is_near(&self, address: &SocketAddr) -> bool {
        is_near(&self.interfaces, address)
    }

    /// Says something on every interface, as far as that is possible; what is lost is said again later.
    pub fn say(&self, beacon: &Beacon, key: &RealmKey) {
        for interface in &self.interfaces {
            for (own, _) in &interface.v4 {
                let said = self.say_v4(beacon, key, *own);
                said.unwrap_or_else(
                    |error| tracing::debug!(%error, %own, "nothing could be said on a network"),
                );
            }
            if let Some(own) = interface.v6 {
                let said = self.say_v6(beacon, key, own, interface.index);
                said.unwrap_or_else(
                    |error| tracing::debug!(%error, %own, "nothing could be said on a network"),
                );
            }
        }
    }

    /// Returns the next message and the address that sent it; one that is too long comes cut.
    pub async fn hear(&self, buffer: &mut [u8; BEACON_BYTES_MAX + 1]) -> (usize, SocketAddr) {
        let mut again = [0; BEACON_BYTES_MAX + 1];
        let heard = tokio::select! {
            heard = hear(self.v4.as_ref(), buffer) => heard,
            heard = hear(self.v6.as_ref(), &mut again) => {
                *buffer = again;
                heard
            }
        };
        heard
    }

    fn join(&self, interface: &Interface) {
        if let (Some(socket), false) = (&self.v4, interface.v4.is_empty()) {
            let (socket, at) =
                (socket2::SockRef::from(socket), InterfaceIndexOrAddress::Index(interface.index));
            // It is joined anew where the system has forgotten it; neither is an error when it has not.
            let _ = socket.leave_multicast_v4_n(&GROUP_V4, &at);
            if let Err(error) = socket.join_multicast_v4_n(&GROUP_V4, &at) {
                tracing::debug!(%error, interface = interface.index, "nothing is heard on a network (IPv4)");
            }
        }
        if let (Some(socket), Some(_)) = (&self.v6, interface.v6) {
            let socket = socket2::SockRef::from(socket);
            let _ = socket.leave_multicast_v6(&GROUP_V6, interface.index);
            if let Err(error) = socket.join_multicast_v6(&GROUP_V6, interface.index) {
                tracing::debug!(%error, interface = interface.index, "nothing is heard on a network (IPv6)");
            }
        }
    }

    fn say_v4(&self, beacon: &Beacon, key: &RealmKey, own: Ipv4Addr) -> io::Result<()> {
        let Some(socket) = self.v4.as_ref().map(socket2::SockRef::from) else { return Ok(()) };
        socket.set_multicast_if_v4(&own)?;
        let to = SockAddr::from(SocketAddr::from((GROUP_V4, PORT)));
        socket.send_to(&beacon.encode(key, own.into()), &to).map(drop)
    }

    fn say_v6(&self, beacon: &Beacon, key: &RealmKey, own: Ipv6Addr, interface: u32) -> io::Result<()> {
        let Some(socket) = self.v6.as_ref().map(socket2::SockRef::from) else { return Ok(()) };
        socket.set_multicast_if_v6(interface)?;
        let to = SockAddr::from(SocketAddr::V6(SocketAddrV6::new(GROUP_V6, PORT, 0, interface)));
        socket.send_to(&beacon.encode(key, own.into()), &to).map(drop)
    }
}

/// Waits for ever where there is no socket; an error of the socket concerns one message only.
async fn hear(socket: Option<&UdpSocket>, buffer: &mut [u8]) -> (usize, SocketAddr) {
    match socket {
        None => std::future::pending().await,
        Some(socket) => loop {
            match socket.recv_from(buffer).await {
                Ok(heard) => return heard,
                Err(error) => {
                    tracing::debug!(%error, "a message on the network could not be read");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        },
    }
}

fn open_v4() -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_multicast_ttl_v4(HOPS)?;
    bind(socket, SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)))
}

fn open_v6() -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_only_v6(true)?;
    socket.set_multicast_hops_v6(HOPS)?;
    bind(socket, SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT)))
}

fn bind(socket: Socket, to: SocketAddr) -> io::Result<UdpSocket> {
    // Others on this machine speak mDNS, too.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&to.into())?;
    UdpSocket::from_std(socket.into())
}
