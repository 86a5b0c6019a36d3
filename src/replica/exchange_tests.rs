//! Two exchanges that talk in memory: what is stored together, and what is counted as sent.

use super::exchange::{Effect, Exchange};
use super::request::NewPatient;
use super::tests::{Region, author, data, digest, import, meet};

/// The kind of the message that carries runs (`docs/protocol-sync.md`).
const RUNS: u8 = 5;

/// Lets an exchange do what there is to do; returns its messages, and how often it stored something.
fn steps(exchange: &mut Exchange) -> (Vec<Vec<u8>>, usize) {
    let (mut messages, mut commits) = (Vec::new(), 0);
    while let Some(effects) = exchange.step().unwrap() {
        for effect in effects {
            match effect {
                Effect::Send(message) => messages.push(message),
                Effect::Received(entries) => commits += usize::from(entries > 0),
                Effect::Sent(_) | Effect::Refused(_) | Effect::Pulled { .. } | Effect::Closed(_) => {}
            }
        }
    }
    (messages, commits)
}

#[test]
fn messages_that_come_together_are_stored_in_one_commit() {
    let mut region = Region::new();
    let ((north, _), (south, _)) = (region.enrol("north"), region.enrol("south"));
    import(&north, vec![data()]);
    let mut at_north = Exchange::begin(north.clone(), south.me().device, "south".into(), true);
    let mut at_south = Exchange::begin(south.clone(), north.me().device, "north".into(), false);
    let (mut runs, mut commits) = (0, 0);
    loop {
        let (to_south, _) = steps(&mut at_north);
        runs += to_south.iter().filter(|message| message.get(1) == Some(&RUNS)).count();
        let silent = to_south.is_empty();
        to_south.into_iter().for_each(|message| at_south.heard(message));
        let (to_north, stored) = steps(&mut at_south);
        commits += stored;
        if silent && to_north.is_empty() {
            break;
        }
        to_north.into_iter().for_each(|message| at_north.heard(message));
    }
    assert_eq!(digest(&south), digest(&north));
    assert!(commits * 3 < runs * 2, "{commits} commits for {runs} messages of runs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_peer_had_is_not_counted_as_sent() {
    let mut region = Region::new();
    let ((north, _), (south, _)) = (region.enrol("north"), region.enrol("south"));
    import(&north, vec![data()]);

    let first = meet(&north, &south).await;
    let again = meet(&north, &south).await;

    let entries = north.status(Vec::new(), None).unwrap().entries;
    assert!(first.sent > 0 && first.sent < entries, "{} of {entries}, some are of the south", first.sent);
    assert_eq!((again.sent, again.received), (0, 0));
}

/// Lets two exchanges talk until neither has anything to say.
fn talk(one: &mut Exchange, other: &mut Exchange) {
    loop {
        let (to_other, _) = steps(one);
        let silent = to_other.is_empty();
        to_other.into_iter().for_each(|message| other.heard(message));
        let (to_one, _) = steps(other);
        if silent && to_one.is_empty() {
            return;
        }
        to_one.into_iter().for_each(|message| one.heard(message));
    }
}

#[test]
fn a_session_that_lagged_behind_learns_what_has_changed() {
    let mut region = Region::new();
    let ((north, _), (south, _)) = (region.enrol("north"), region.enrol("south"));
    let mut at_north = Exchange::begin(north.clone(), south.me().device, "south".into(), true);
    let mut at_south = Exchange::begin(south.clone(), north.me().device, "north".into(), false);
    talk(&mut at_north, &mut at_south);
    for name in ["田中 幸雄", "佐藤 花子"] {
        let patient = NewPatient { name: name.into(), kana: None, birth_date: None, sex: None };
        north.register(&patient, None, author()).unwrap();
        assert_ne!(digest(&south), digest(&north));
        at_north.much_changed();
        talk(&mut at_north, &mut at_south);
        assert_eq!(digest(&south), digest(&north));
        assert!(at_north.is_in_sync() && at_south.is_in_sync());
    }
}
