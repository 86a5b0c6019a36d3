//! Released formats stay readable and are written alike. The golden files were made by another program from
//! `docs/protocol.md`, so that they test the drawing, too.

use std::collections::BTreeSet;

use crate::base::{Area, Digest, Part, RealmId, SiteId, WallMs, cbor};
use crate::bundle::block::encode;
use crate::bundle::frame::{Frame, parted};
use crate::bundle::header::Contents;
use crate::bundle::heads::{HeadMark, LaneMark};
use crate::bundle::request::Subscribed;
use crate::bundle::{
    BlockKind, BundleHeader, BundleRequest, Footer, Found, Heads, LaneHead, Ledger, Scanner, Target,
};
use crate::identity::fixtures::seed;

const CHAIN: [u8; 2] = [9, 9];

fn bytes(hex: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(hex.trim().as_bytes()).unwrap()
}

fn heads() -> Heads {
    Heads(vec![LaneHead { lane: LaneMark([5; 8]), size: 2, head: HeadMark([6; 8]) }])
}

fn header() -> BundleHeader {
    BundleHeader {
        version: BundleHeader::VERSION,
        realm: RealmId([1; 32]),
        sender: seed("gateway").device_id(),
        certificate: Digest([2; 32]),
        time: WallMs(1_800_000_000_000),
        target: Target::Site(SiteId([3; 16])),
        request: Some(Digest([4; 32])),
        areas: BTreeSet::from([Area::common()]),
        parts: BTreeSet::from([Part::Card]),
        contents: vec![Contents { area: Area::common(), part: Part::Card, lanes: 1, entries: 2 }],
        heads: heads().digest(),
    }
}

#[test]
fn the_golden_bundle_is_read_and_written_alike() {
    let golden = bytes(include_str!("../../../tests/golden/bundle.hex"));
    let payload = header().sign(&seed("gateway"), vec![CHAIN.to_vec()]);
    let id = BundleHeader::id(&payload);
    let footer = Footer { version: 1, blocks: 2, entries: 2 };
    let written = [
        encode(&id, 0, BlockKind::Header, &payload),
        encode(&id, 1, BlockKind::Heads, &cbor::to_vec(&heads())),
        encode(&id, 2, BlockKind::Footer, &cbor::to_vec(&footer)),
    ];
    assert_eq!(crate::base::id::hex(&written.concat()), crate::base::id::hex(&golden));
    let mut scanner = Scanner::default();
    scanner.feed(&golden);
    let Some(Found::Block(first)) = scanner.next_found() else { panic!("a block") };
    assert_eq!(BundleHeader::read(&first.payload).unwrap(), (header(), vec![CHAIN.to_vec()]));
    for place in 0..first.payload.len() {
        let mut bad = first.payload.clone();
        bad[place] ^= 1;
        assert!(BundleHeader::read(&bad).map_or(true, |(read, chain)| read == header() && chain != [CHAIN]));
    }
    let mut ledger = Ledger::default();
    (ledger.header, ledger.footer) = (Some(header()), Some(footer));
    ledger.saw(0);
    assert_eq!(ledger.told(), ["missing: block 1", "missing: 2 of 2 entries of card in common"]);
}

#[test]
fn the_golden_request_is_read_and_written_alike() {
    let golden = bytes(include_str!("../../../tests/golden/bundle-request.hex"));
    let request = BundleRequest {
        version: BundleRequest::VERSION,
        realm: RealmId([1; 32]),
        device: seed("gateway").device_id(),
        certificate: Digest([2; 32]),
        time: WallMs(1_800_000_000_000),
        groups: vec![Subscribed { area: Area::common(), part: Part::Card }],
        heads: heads(),
    };
    let written = request.sign(&seed("gateway"), vec![CHAIN.to_vec()]);
    assert_eq!(crate::base::id::hex(&written), crate::base::id::hex(&golden));
    assert_eq!(BundleRequest::read(&golden).unwrap().0, request);
    assert!((0..golden.len()).all(|cut| BundleRequest::read(&golden[..cut]).is_err()));
}

#[test]
fn the_golden_frame_is_read_and_written_alike() {
    let golden = bytes(include_str!("../../../tests/golden/qr-frame.hex"));
    let frame = parted(b"golden").unwrap().remove(0);
    assert_eq!(frame.to_bytes(), golden);
    assert_eq!(Frame::read(&golden).unwrap(), frame);
}
