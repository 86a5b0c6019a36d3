//! Two real endpoints on the loopback address, and what networks and strangers do to them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::{Connection, RecvStream, SendStream};
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep, timeout};

use super::options::Side;
use super::raw_key::TlsIdentity;
use super::*;

const HUB: [u8; 32] = [1; 32];
const TABLET: [u8; 32] = [2; 32];
const STRANGER: [u8; 32] = [3; 32];
const LOOPBACK: &str = "127.0.0.1:0";

/// How long nothing must come before a test believes that nothing more comes.
const PATIENCE: Duration = Duration::from_millis(150);

/// Times short enough for tests; QUIC's own idle timer stays long, so that our clocks are what is tested.
fn quick() -> Options {
    Options {
        connect_max: Duration::from_secs(5),
        keep_alive: Duration::from_millis(40),
        silence_max: Duration::from_millis(700),
        stall_max: Duration::from_millis(300),
        ..Options::default()
    }
}

fn everybody() -> AdmissionPolicy {
    AdmissionPolicy::new(|_| Admission::Admit)
}

fn only(seed: &[u8; 32]) -> AdmissionPolicy {
    AdmissionPolicy::only([PeerKey::of_seed(seed)])
}

fn endpoint(seed: &[u8; 32], options: Options, policy: AdmissionPolicy) -> Endpoint {
    Endpoint::bind(LOOPBACK.parse().expect("an address"), seed, options, policy)
        .expect("loopback can be bound")
}

fn addr(endpoint: &Endpoint) -> SocketAddr {
    endpoint.local_addr().expect("bound")
}

/// Dials and accepts at once.
async fn meet(tablet: &Endpoint, hub: &Endpoint, at: SocketAddr) -> (Link, Link) {
    let (dialled, accepted) = tokio::join!(tablet.connect(at, Some(hub.key())), hub.accept());
    (dialled.expect("welcomed"), accepted.expect("open").expect("admitted"))
}

async fn pair(options: Options) -> (Endpoint, Endpoint, Link, Link) {
    let hub = endpoint(&HUB, options.clone(), only(&TABLET));
    let tablet = endpoint(&TABLET, options, only(&HUB));
    let (near, far) = meet(&tablet, &hub, addr(&hub)).await;
    (hub, tablet, near, far)
}

/// A dialler that speaks QUIC and TLS as we do, and then whatever a test wants.
async fn raw_dial(at: SocketAddr) -> (quinn::Endpoint, Connection, SendStream, RecvStream) {
    let identity = TlsIdentity::new(&TABLET).expect("a key");
    let mut config = quinn::ClientConfig::new(Arc::new(identity.dialling(None).expect("a configuration")));
    config.transport_config(quick().quic(Side::Dialling).expect("valid options"));
    let quic = quinn::Endpoint::client(LOOPBACK.parse().expect("an address")).expect("bound");
    let connection = quic.connect_with(config, at, "x").expect("dialled").await.expect("proven");
    let (mut send, mut recv) = connection.open_bi().await.expect("allowed");
    send.write_all(b"musubi\0\x02").await.expect("sent");
    let mut welcome = [0; 8];
    recv.read_exact(&mut welcome).await.expect("welcomed");
    (quic, connection, send, recv)
}

#[tokio::test]
async fn two_devices_exchange_messages_and_see_each_others_key() {
    let (hub, tablet, mut near, mut far) = pair(quick()).await;
    assert_eq!((near.peer(), far.peer()), (hub.key(), tablet.key()));

    let large: Vec<u8> = (0..1_000_000_u32).map(|i| i as u8).collect();
    let messages: [&[u8]; 4] = [b"hello", b"", &large, b"bye"];
    let (sent, received) = tokio::join!(
        async {
            for message in messages {
                near.send(message).await?;
            }
            Ok::<(), TransportError>(())
        },
        async {
            let mut received = Vec::new();
            for _ in messages {
                received.extend(far.recv().await?);
            }
            Ok::<_, TransportError>(received)
        }
    );
    sent.expect("sent");
    assert_eq!(received.expect("received"), messages);
    far.send(b"thanks").await.expect("sent");
    assert_eq!(near.recv().await.expect("received").as_deref(), Some(&b"thanks"[..]));

    let (near, far) = (near.handle().stats(), far.handle().stats());
    assert_eq!((near.messages_sent, near.payload_bytes_sent), (4, 1_000_008));
    assert_eq!((far.messages_received, far.payload_bytes_received), (4, 1_000_008));
    assert_eq!((near.messages_received, near.payload_bytes_received), (1, 6));
    assert!(near.udp_bytes_sent > 1_000_008 && far.udp_bytes_received > 1_000_008);
    assert!(near.udp_datagrams_sent > 600 && near.round_trip > Duration::ZERO);
}

#[tokio::test]
async fn a_finished_direction_is_read_to_its_end_and_then_none() {
    let (_hub, _tablet, near, mut far) = pair(quick()).await;
    let (mut sender, mut receiver) = near.split();
    sender.send(b"last").await.expect("sent");
    sender.finish(Duration::from_secs(2)).await.expect("all of it is there");
    assert_eq!(far.recv().await.expect("received").as_deref(), Some(&b"last"[..]));
    assert_eq!(far.recv().await.expect("the end is no error"), None);
    // The other direction still works, until it is closed with a word.
    far.send(b"answer").await.expect("sent");
    assert_eq!(receiver.recv().await.expect("received").as_deref(), Some(&b"answer"[..]));
    far.close(CloseCode::Done, "all is said");
    assert_eq!(receiver.recv().await.expect("done is no error"), None);
    assert!(matches!(
        receiver.handle().close_reason(),
        Some(TransportError::ClosedByPeer { code: CloseCode::Done, reason }) if reason == "all is said"
    ));
}

#[tokio::test]
async fn a_stranger_is_refused_and_both_ends_are_told_what_to_do() {
    let hub = endpoint(&HUB, quick(), only(&TABLET));
    let stranger = endpoint(&STRANGER, quick(), everybody());
    let (dialled, accepted) = tokio::join!(stranger.connect(addr(&hub), None), hub.accept());

    let refused = dialled.expect_err("a stranger");
    assert_eq!(refused.kind(), ErrorKind::Refused);
    assert!(matches!(&refused, TransportError::Refused { reason }
        if reason.contains(&stranger.key().to_string()) && reason.contains("musubi realm enrol")));
    let stranger_seen = accepted.expect("open").expect_err("no link");
    assert!(matches!(stranger_seen, TransportError::Stranger { peer, .. } if peer == stranger.key()));
}

#[tokio::test]
async fn a_dialler_that_refuses_says_so_too() {
    let hub = endpoint(&HUB, quick(), everybody());
    let tablet = endpoint(&TABLET, quick(), only(&STRANGER));
    let (dialled, accepted) = tokio::join!(tablet.connect(addr(&hub), None), hub.accept());
    assert!(matches!(dialled, Err(TransportError::Stranger { peer, .. }) if peer == hub.key()));
    // Depending on timing the hub learns it before or after it has sent its welcome.
    let error = match accepted.expect("open") {
        Ok(mut link) => link.recv().await.expect_err("refused"),
        Err(error) => error,
    };
    assert!(matches!(error, TransportError::Refused { reason } if reason.contains("musubi realm enrol")));
}

#[tokio::test]
async fn what_is_said_first_is_answered_after_two_round_trips_and_heard_by_nobody_who_is_refused() {
    let hub = endpoint(&HUB, quick(), only(&TABLET));
    let relay = Relay::start(addr(&hub), LinkProfile { delay_ms: 100, ..LinkProfile::default() }, 1)
        .expect("started");
    let tablet = endpoint(&TABLET, quick(), only(&HUB));
    let began = Instant::now();
    let first = |peer: PeerKey| vec![b"hello".to_vec(), peer.as_bytes().to_vec()];
    let (dialled, accepted) = tokio::join!(tablet.connect_saying(relay.addr(), None, first), async {
        let mut far = hub.accept().await.expect("open").expect("admitted");
        let heard = [far.recv().await.expect("first"), far.recv().await.expect("second")];
        far.send(b"answer").await.expect("sent");
        (far, heard)
    });
    let mut near = dialled.expect("welcomed");
    assert_eq!(near.recv().await.expect("received").as_deref(), Some(&b"answer"[..]));
    let round_trips = began.elapsed().as_secs_f64() / 0.2;
    assert!((1.9..2.7).contains(&round_trips), "{round_trips}");
    assert_eq!(accepted.1, [Some(b"hello".to_vec()), Some(hub.key().as_bytes().to_vec())]);

    // Whom the dialler refuses hears nothing; whom it takes for another neither.
    let silent = |_| -> Vec<Vec<u8>> { panic!("nobody is to hear anything") };
    let picky = endpoint(&TABLET, quick(), only(&STRANGER));
    assert!(matches!(
        picky.connect_saying(addr(&hub), None, silent).await,
        Err(TransportError::Stranger { .. })
    ));
    let expected = Some(PeerKey::of_seed(&STRANGER));
    assert!(matches!(
        tablet.connect_saying(addr(&hub), expected, silent).await,
        Err(TransportError::WrongPeer { .. })
    ));
}

#[tokio::test]
async fn who_opens_no_stream_or_greets_otherwise_has_no_link() {
    let hub = endpoint(&HUB, Options { connect_max: Duration::from_millis(300), ..quick() }, everybody());
    for greeting in [&b""[..], b"musubi\0\x01", b"musu"] {
        let identity = TlsIdentity::new(&TABLET).expect("a key");
        let mut config =
            quinn::ClientConfig::new(Arc::new(identity.dialling(None).expect("a configuration")));
        config.transport_config(quick().quic(Side::Dialling).expect("valid options"));
        let quic = quinn::Endpoint::client(LOOPBACK.parse().expect("an address")).expect("bound");
        let connection = quic.connect_with(config, addr(&hub), "x").expect("dialled").await.expect("proven");
        let (mut send, _recv) = connection.open_bi().await.expect("allowed");
        if !greeting.is_empty() {
            send.write_all(greeting).await.expect("sent");
        }
        assert!(hub.accept().await.expect("open").is_err(), "{greeting:?}");
        let closed = timeout(Duration::from_secs(2), connection.closed()).await;
        assert!(closed.is_ok(), "the connection is gone as well: {greeting:?}");
    }
}

#[tokio::test]
async fn a_wrong_expected_key_is_refused_before_the_own_key_is_shown() {
    let hub = endpoint(&HUB, quick(), everybody());
    let tablet = endpoint(&TABLET, quick(), everybody());
    let expected = PeerKey::of_seed(&STRANGER);
    let (dialled, accepted) = tokio::join!(tablet.connect(addr(&hub), Some(expected)), hub.accept());
    assert!(matches!(dialled, Err(TransportError::WrongPeer { expected: e, found, .. })
        if e == expected && found == hub.key()));
    // The hub never learns who it was.
    let error = accepted.expect("open").expect_err("no link");
    assert!(matches!(error, TransportError::Handshake { .. }), "{error}");
}

#[tokio::test]
async fn another_protocol_version_fails_in_the_handshake() {
    let hub = endpoint(&HUB, quick(), everybody());
    let identity = TlsIdentity::new(&TABLET).expect("a key");
    let config = identity.dialling_with_protocol(b"musubi/9").expect("a configuration");
    let quic = quinn::Endpoint::client(LOOPBACK.parse().expect("an address")).expect("bound");
    let dialled = quic.connect_with(quinn::ClientConfig::new(Arc::new(config)), addr(&hub), "x");
    let (dialled, accepted) = tokio::join!(dialled.expect("dialled"), hub.accept());
    assert!(dialled.is_err());
    let error = accepted.expect("open").expect_err("no link");
    assert_eq!(error.kind(), ErrorKind::Broken, "{error}");
}

#[tokio::test]
async fn nobody_there_is_unreachable_in_time() {
    let silent = UdpSocket::bind(LOOPBACK).await.expect("bound");
    let tablet =
        endpoint(&TABLET, Options { connect_max: Duration::from_millis(200), ..quick() }, everybody());
    let error = tablet.connect(silent.local_addr().expect("bound"), None).await.expect_err("nobody");
    assert!(matches!(error, TransportError::Unreachable { .. }));
    assert_eq!(error.kind(), ErrorKind::Retry);
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_on_both_sides() {
    let hub = endpoint(&HUB, Options { message_bytes_max: 1_000, ..quick() }, only(&TABLET));
    let tablet = endpoint(&TABLET, Options { message_bytes_max: 2_000, ..quick() }, only(&HUB));
    let (mut near, mut far) = meet(&tablet, &hub, addr(&hub)).await;

    // Our own mistake costs nothing.
    let error = near.send(&[0; 2_001]).await.expect_err("too long");
    assert!(matches!(error, TransportError::MessageTooLong { bytes: 2_001, bytes_max: 2_000 }));
    near.send(&[0; 1_000]).await.expect("still usable");
    assert_eq!(far.recv().await.expect("received").map(|m| m.len()), Some(1_000));

    // The peer's ends the link.
    near.send(&[0; 1_001]).await.expect("within the sender's limit");
    let error = far.recv().await.expect_err("too long");
    assert!(matches!(error, TransportError::PeerMessageTooLong { bytes: 1_001, bytes_max: 1_000 }));
    let error = near.recv().await.expect_err("closed");
    assert!(matches!(error, TransportError::ClosedByPeer { code: CloseCode::Broken, .. }), "{error}");
}

#[tokio::test]
async fn a_length_of_four_gigabytes_costs_nothing() {
    let hub = endpoint(&HUB, quick(), everybody());
    let (dialled, accepted) = tokio::join!(raw_dial(addr(&hub)), hub.accept());
    let (_quic, _connection, mut send, _recv) = dialled;
    let mut far = accepted.expect("open").expect("admitted");
    send.write_all(&u32::MAX.to_be_bytes()).await.expect("sent");
    assert!(matches!(far.recv().await, Err(TransportError::PeerMessageTooLong { bytes, .. })
        if bytes == u32::MAX as usize));
}

#[tokio::test]
async fn a_peer_that_stalls_trickles_or_ends_within_a_message_is_given_up() {
    let hub = endpoint(&HUB, Options { message_bytes_per_s_min: 100, ..quick() }, everybody());

    // Half a message, and then only signs of life.
    let (dialled, accepted) = tokio::join!(raw_dial(addr(&hub)), hub.accept());
    let (_quic, connection, mut send, _recv) = dialled;
    let mut far = accepted.expect("open").expect("admitted");
    send.write_all(b"\0\0\0\x0ahalf").await.expect("sent");
    assert!(matches!(far.recv().await, Err(TransportError::Stalled { attempt: "receiving", .. })));
    assert!(matches!(connection.closed().await, quinn::ConnectionError::ApplicationClosed(_)));

    // A byte every 50 ms: always progress, but 20 bytes/s where 100 are the least.
    let (dialled, accepted) = tokio::join!(raw_dial(addr(&hub)), hub.accept());
    let (_quic, _connection, mut send, _recv) = dialled;
    let mut far = accepted.expect("open").expect("admitted");
    let trickle = tokio::spawn(async move {
        send.write_all(&90_u32.to_be_bytes()).await?;
        for _ in 0..90 {
            send.write_all(b"x").await?;
            sleep(Duration::from_millis(50)).await;
        }
        Ok::<(), quinn::WriteError>(())
    });
    assert!(matches!(far.recv().await, Err(TransportError::Stalled { attempt: "receiving", .. })));
    assert!(trickle.await.expect("no panic").is_err());

    // The end of the stream within a message.
    let (dialled, accepted) = tokio::join!(raw_dial(addr(&hub)), hub.accept());
    let (_quic, _connection, mut send, _recv) = dialled;
    let mut far = accepted.expect("open").expect("admitted");
    send.write_all(b"\0\0\0\x0ahalf").await.expect("sent");
    send.finish().expect("open");
    assert!(matches!(far.recv().await, Err(TransportError::Truncated)));

    // "Done", said within a message, is no end.
    let (dialled, accepted) = tokio::join!(raw_dial(addr(&hub)), hub.accept());
    let (_quic, connection, mut send, _recv) = dialled;
    let mut far = accepted.expect("open").expect("admitted");
    send.write_all(b"\0\0\0\x0ahalf").await.expect("sent");
    assert!(timeout(Duration::from_millis(100), far.recv()).await.is_err());
    connection.close(CloseCode::Done.number().into(), b"");
    assert!(matches!(far.recv().await, Err(TransportError::Truncated)));
}

#[tokio::test]
async fn an_acceptor_that_does_not_welcome_is_not_believed() {
    let identity = TlsIdentity::new(&HUB).expect("a key");
    let config = quinn::ServerConfig::with_crypto(Arc::new(identity.accepting().expect("a configuration")));
    let odd = quinn::Endpoint::server(config, LOOPBACK.parse().expect("an address")).expect("bound");
    let at = odd.local_addr().expect("bound");
    let tablet = endpoint(&TABLET, quick(), everybody());
    let (dialled, closed) = tokio::join!(tablet.connect(at, None), async {
        let connection = odd.accept().await.expect("open").await.expect("proven");
        let (mut send, _recv) = connection.accept_bi().await.expect("opened");
        send.write_all(b"musubi\0\x01").await.expect("sent");
        timeout(Duration::from_secs(2), connection.closed()).await.expect("the dialler closes")
    });
    assert!(matches!(dialled, Err(TransportError::NotWelcomed { peer }) if peer == PeerKey::of_seed(&HUB)));
    assert!(matches!(closed, quinn::ConnectionError::ApplicationClosed(_)));
}

#[tokio::test]
async fn a_dropped_recv_loses_nothing() {
    let hub = endpoint(&HUB, quick(), everybody());
    let (dialled, accepted) = tokio::join!(raw_dial(addr(&hub)), hub.accept());
    let (_quic, _connection, mut send, _recv) = dialled;
    let (_sender, mut receiver) = accepted.expect("open").expect("admitted").split();

    let nothing = receiver.recv_within(Duration::from_millis(20)).await;
    assert!(matches!(nothing, Err(TransportError::NoMessage { .. })));
    let sending = tokio::spawn(async move {
        for byte in b"\0\0\0\x05whole" {
            send.write_all(&[*byte]).await.expect("sent");
            sleep(Duration::from_millis(15)).await;
        }
        send
    });
    let message = loop {
        if let Ok(message) = timeout(Duration::from_millis(10), receiver.recv()).await {
            break message;
        }
    };
    assert_eq!(message.expect("received").as_deref(), Some(&b"whole"[..]));
    sending.await.expect("no panic");
}

#[tokio::test]
async fn a_peer_that_does_not_read_stalls_the_sender_and_a_dropped_send_is_noticed() {
    let options = Options { window_bytes: 64 << 10, ..quick() };
    let (hub, tablet, mut near, _far) = pair(options).await;
    let error = near.send(&[7; 1 << 20]).await.expect_err("nobody reads");
    assert!(matches!(error, TransportError::Stalled { attempt: "sending", .. }), "{error}");

    let (mut near, mut far) = meet(&tablet, &hub, addr(&hub)).await;
    assert!(timeout(Duration::from_millis(50), near.send(&[7; 1 << 20])).await.is_err());
    assert!(matches!(near.send(b"next").await, Err(TransportError::SendInterrupted)));
    assert!(matches!(far.recv().await, Err(TransportError::Stalled { attempt: "receiving", .. })));
}

#[tokio::test]
async fn a_cut_fails_both_waiting_sides_in_time_and_healing_allows_a_new_link() {
    let hub = endpoint(&HUB, quick(), only(&TABLET));
    let tablet = endpoint(&TABLET, quick(), only(&HUB));
    let relay = Relay::start(addr(&hub), LinkProfile::default(), 1).expect("started");
    let (mut near, mut far) = meet(&tablet, &hub, relay.addr()).await;
    near.send(b"before").await.expect("sent");
    assert_eq!(far.recv().await.expect("received").as_deref(), Some(&b"before"[..]));

    relay.cut();
    let cut = Instant::now();
    // A request is pending: sent, and its answer awaited.
    near.send(b"request").await.expect("QUIC takes it");
    let both = async { tokio::join!(near.recv(), far.recv()) };
    let (near_error, far_error) =
        timeout(Duration::from_secs(5), both).await.expect("no wait lasts for ever");
    assert!(matches!(near_error, Err(TransportError::Silent { .. })), "{near_error:?}");
    assert!(matches!(far_error, Err(TransportError::Silent { .. })), "{far_error:?}");
    assert!(cut.elapsed() < Duration::from_secs(2), "{:?}", cut.elapsed());
    assert!(near.send(b"more").await.is_err());

    relay.heal();
    let (mut near, mut far) = meet(&tablet, &hub, relay.addr()).await;
    near.send(b"after").await.expect("sent");
    assert_eq!(far.recv().await.expect("received").as_deref(), Some(&b"after"[..]));
}

#[tokio::test]
async fn a_sender_alone_notices_a_cut() {
    let hub = endpoint(&HUB, quick(), only(&TABLET));
    let tablet = endpoint(&TABLET, quick(), only(&HUB));
    let relay = Relay::start(addr(&hub), LinkProfile::default(), 1).expect("started");
    let (mut near, _far) = meet(&tablet, &hub, relay.addr()).await;
    relay.cut();
    let failed = timeout(Duration::from_secs(3), async {
        loop {
            if let Err(error) = near.send(b"anybody there?").await {
                break error;
            }
            sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(matches!(failed.await.expect("in time"), TransportError::Silent { .. }));
}

#[tokio::test]
async fn a_way_with_no_way_back_is_noticed_on_both_sides() {
    let hub = endpoint(&HUB, quick(), only(&TABLET));
    let tablet = endpoint(&TABLET, quick(), only(&HUB));
    let relay = Relay::start(addr(&hub), LinkProfile::default(), 1).expect("started");
    let (mut near, mut far) = meet(&tablet, &hub, relay.addr()).await;
    relay.set_profile(ProfileName::OneWay.profile());
    let both = async { tokio::join!(near.recv(), far.recv()) };
    let (near, far) = timeout(Duration::from_secs(5), both).await.expect("no wait lasts for ever");
    assert!(matches!(near, Err(TransportError::Silent { .. })), "{near:?}");
    // The dialling side's farewell still gets through.
    assert!(matches!(far, Err(TransportError::ClosedByPeer { code: CloseCode::Stalled, .. })), "{far:?}");
}

#[tokio::test]
async fn a_fifth_of_all_datagrams_lost_still_delivers() {
    let options =
        Options { silence_max: Duration::from_secs(5), stall_max: Duration::from_secs(5), ..quick() };
    let hub = endpoint(&HUB, options.clone(), only(&TABLET));
    let tablet = endpoint(&TABLET, options, only(&HUB));
    let loss = Loss::try_from(0.2).expect("in range");
    let relay =
        Relay::start(addr(&hub), LinkProfile { loss_up: loss, loss_down: loss, ..LinkProfile::default() }, 7)
            .expect("started");
    let (mut near, mut far) = meet(&tablet, &hub, relay.addr()).await;
    for number in 0..50_u32 {
        let message = number.to_be_bytes().repeat(500);
        near.send(&message).await.expect("sent");
        assert_eq!(far.recv().await.expect("received"), Some(message));
    }
    let counters = relay.counters();
    assert!(counters.up.datagrams_dropped > 0 && counters.up.datagrams > counters.up.datagrams_dropped);
}

#[tokio::test]
async fn a_tablet_that_changes_networks_keeps_its_link() {
    let hub = endpoint(&HUB, quick(), only(&TABLET));
    let tablet = endpoint(&TABLET, quick(), only(&HUB));
    let relay = Relay::start(addr(&hub), LinkProfile::default(), 1).expect("started");
    let (mut near, mut far) = meet(&tablet, &hub, relay.addr()).await;
    let before = far.handle().remote_addr();
    relay.rebind();
    near.send(b"from elsewhere").await.expect("sent");
    assert_eq!(far.recv().await.expect("received").as_deref(), Some(&b"from elsewhere"[..]));
    far.send(b"found you").await.expect("sent");
    assert_eq!(near.recv().await.expect("received").as_deref(), Some(&b"found you"[..]));
    assert_ne!(far.handle().remote_addr(), before);
}

#[tokio::test]
async fn garbage_does_no_harm() {
    let (hub, tablet, mut near, mut far) = pair(quick()).await;
    let vandal = UdpSocket::bind(LOOPBACK).await.expect("bound");
    let mut state = 1_u64;
    for round in 0..2_000_usize {
        let mut garbage: Vec<u8> = (0..round % 1_400)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        if round % 2 == 0 && garbage.len() > 5 {
            // A long header of QUIC version 1: looks like the beginning of a connection.
            garbage[..5].copy_from_slice(&[0xc3, 0, 0, 0, 1]);
        }
        vandal.send_to(&garbage, addr(&hub)).await.expect("sent");
    }
    near.send(b"undisturbed").await.expect("sent");
    assert_eq!(far.recv().await.expect("received").as_deref(), Some(&b"undisturbed"[..]));
    drop(meet(&tablet, &hub, addr(&hub)).await);
}

#[tokio::test]
async fn under_pressure_a_dialler_proves_its_address_and_too_many_are_told_to_come_back() {
    let options = Options { handshakes_before_retry: 0, links_max: 1, ..quick() };
    let (hub, _tablet, _near, _far) = pair(options).await;
    let second = endpoint(&TABLET, quick(), everybody());
    let error = second.connect(addr(&hub), None).await.expect_err("full");
    assert!(matches!(error, TransportError::Busy { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Retry);
}

#[tokio::test]
async fn links_that_nobody_accepts_are_told_to_come_back() {
    let hub = endpoint(&HUB, Options { accept_queue_max: 1, ..quick() }, everybody());
    let tablet = endpoint(&TABLET, quick(), everybody());
    let mut first = tablet.connect(addr(&hub), None).await.expect("waits in the queue");
    let second = tablet.connect(addr(&hub), None).await;
    assert!(matches!(second, Err(TransportError::Busy { .. })), "{second:?}");
    let mut accepted = hub.accept().await.expect("open").expect("the first");
    accepted.send(b"served").await.expect("sent");
    assert_eq!(first.recv().await.expect("received").as_deref(), Some(&b"served"[..]));
}

#[tokio::test]
async fn closing_an_endpoint_tells_its_peers_and_ends_accepting() {
    let (hub, tablet, mut near, _far) = pair(quick()).await;
    hub.close("restarting").await;
    assert!(hub.accept().await.is_none());
    assert!(
        matches!(near.recv().await, Err(TransportError::ClosedByPeer { code: CloseCode::Shutdown, reason })
        if reason == "restarting")
    );
    assert_eq!(hub.open_links(), 0);
    tablet.close("").await;
    let error = tablet.connect(addr(&hub), None).await.expect_err("closed");
    assert!(matches!(error, TransportError::Dial { .. }), "{error}");
}

#[tokio::test]
async fn a_dropped_endpoint_frees_its_port() {
    let hub = endpoint(&HUB, quick(), everybody());
    let at = addr(&hub);
    drop(hub);
    let freed = timeout(Duration::from_secs(2), async {
        while Endpoint::bind(at, &HUB, quick(), everybody()).is_err() {
            sleep(Duration::from_millis(10)).await;
        }
    });
    freed.await.expect("the port is free again");
}

/// A plain UDP upstream that sends back what it gets, through a relay; returns (relay, client).
async fn echo_through(profile: LinkProfile, seed: u64) -> (Relay, UdpSocket) {
    let upstream = UdpSocket::bind(LOOPBACK).await.expect("bound");
    let relay = Relay::start(upstream.local_addr().expect("bound"), profile, seed).expect("started");
    tokio::spawn(async move {
        let mut buffer = [0; 2_000];
        while let Ok((bytes, from)) = upstream.recv_from(&mut buffer).await {
            upstream.send_to(&buffer[..bytes], from).await.expect("sent");
        }
    });
    let client = UdpSocket::bind(LOOPBACK).await.expect("bound");
    client.connect(relay.addr()).await.expect("connected");
    (relay, client)
}

/// Receives until nothing comes for a while; returns the numbers at the beginning of the datagrams.
async fn drain(client: &UdpSocket, patience: Duration) -> Vec<u32> {
    let mut numbers = Vec::new();
    let mut buffer = [0; 2_000];
    while let Ok(Ok(bytes)) = timeout(patience, client.recv(&mut buffer)).await {
        let number: [u8; 4] = buffer[..bytes][..4].try_into().expect("four bytes");
        numbers.push(u32::from_be_bytes(number));
    }
    numbers
}

async fn send_numbers(client: &UdpSocket, count: u32) {
    for number in 0..count {
        client.send(&number.to_be_bytes().repeat(100)).await.expect("sent");
        // Far below any socket buffer, and a chance for the relay on one thread.
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_relay_counts_what_passes() {
    let (relay, client) = echo_through(LinkProfile::default(), 1).await;
    send_numbers(&client, 50).await;
    assert_eq!(drain(&client, PATIENCE).await, (0..50).collect::<Vec<_>>());
    let passed = DirectionCounters { datagrams: 50, bytes: 20_000, datagrams_dropped: 0, bytes_dropped: 0 };
    assert_eq!(relay.counters(), RelayCounters { up: passed, down: passed });
    relay.stop().await;
    assert!(
        client.send(b"gone").await.is_ok() && client.recv(&mut [0; 9]).await.is_err(),
        "the port is closed"
    );
}

#[tokio::test]
async fn the_relay_delays_each_way_and_keeps_order() {
    let profile = LinkProfile { delay_ms: 40, jitter_ms: 20, ..LinkProfile::default() };
    let (_relay, client) = echo_through(profile, 1).await;
    let began = Instant::now();
    send_numbers(&client, 20).await;
    client.readable().await.expect("open");
    assert!(began.elapsed() >= Duration::from_millis(80), "{:?}", began.elapsed());
    assert_eq!(drain(&client, PATIENCE).await, (0..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_relay_holds_the_rate() {
    // 40 datagrams of 400 bytes at 80,000 bytes/s take 200 ms.
    let profile =
        LinkProfile { rate_bytes_per_s: std::num::NonZeroU64::new(80_000), ..LinkProfile::default() };
    let (_relay, client) = echo_through(profile, 1).await;
    let began = Instant::now();
    send_numbers(&client, 40).await;
    assert_eq!(drain(&client, PATIENCE).await.len(), 40);
    let took = began.elapsed() - PATIENCE;
    assert!(took >= Duration::from_millis(195) && took < Duration::from_millis(1_500), "{took:?}");
}

#[tokio::test]
async fn one_seed_loses_the_same_datagrams_again() {
    let half = Loss::try_from(0.5).expect("in range");
    let mut runs = Vec::new();
    for seed in [5, 5, 6] {
        let profile = LinkProfile { loss_up: half, loss_down: half, ..LinkProfile::default() };
        let (relay, client) = echo_through(profile, seed).await;
        send_numbers(&client, 60).await;
        let arrived = drain(&client, PATIENCE).await;
        let counters = relay.counters();
        assert_eq!(counters.up.datagrams + counters.up.datagrams_dropped, 60);
        assert_eq!(counters.down.datagrams, arrived.len() as u64);
        runs.push(arrived);
    }
    assert_eq!(runs[0], runs[1], "seed 5");
    assert_ne!(runs[0], runs[2], "seeds 5 and 6");
}

#[tokio::test]
async fn a_cut_drops_what_is_under_way_and_a_better_profile_hastens_it() {
    let slow = LinkProfile { delay_ms: 10_000, ..LinkProfile::default() };
    let (relay, client) = echo_through(slow.clone(), 1).await;
    send_numbers(&client, 10).await;
    sleep(Duration::from_millis(20)).await;
    relay.cut();
    relay.heal();
    assert_eq!(relay.counters().up.datagrams_dropped, 10);
    send_numbers(&client, 3).await;
    sleep(Duration::from_millis(20)).await;
    relay.set_profile(LinkProfile::default());
    assert_eq!(drain(&client, PATIENCE).await, [0, 1, 2]);
}

#[tokio::test]
async fn the_relay_bounds_its_clients_and_drops_the_rest() {
    let (relay, _client) = echo_through(LinkProfile::default(), 1).await;
    let mut clients = Vec::new();
    for _ in 0..300 {
        let client = UdpSocket::bind(LOOPBACK).await.expect("bound");
        client.send_to(b"0000", relay.addr()).await.expect("sent");
        clients.push(client);
        tokio::task::yield_now().await;
    }
    sleep(Duration::from_millis(50)).await;
    let up = relay.counters().up;
    assert_eq!((up.datagrams, up.datagrams_dropped), (256, 44));
}
