//! Verifying ed25519 signatures: the one place that does it, and a memo for whoever plays many replicas.
//!
//! Certificates, checkpoints and manifests are all verified here, strictly: small-order keys and signatures that
//! could be altered are refused (`verify_strict` of ed25519-dalek). A simulator that plays hundreds of replicas
//! on one thread verifies the very same signature once for each of them; while a [`SignatureMemo`] lives on the
//! thread, the second time is a lookup.
//!
//! The memo changes no answer. It holds only what was verified in full, under the SHA-256 of all three inputs,
//! so whoever wants a false answer needs a collision; refusals are never remembered; the thread of a replica that
//! serves people has none.
//!
//! Law: `a_memo_changes_no_answer`.

use std::cell::RefCell;
use std::collections::HashSet;
use std::marker::PhantomData;
use std::mem;

use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha256};

use crate::base::Digest;

thread_local! {
    static MEMO: RefCell<Option<Memo>> = const { RefCell::new(None) };
}

/// Says whether `signature` is the signature of `message` by `key`; a key that is no point signs nothing.
pub fn verify(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    MEMO.with_borrow_mut(|memo| match memo {
        None => check(key, message, signature),
        Some(memo) => memo.verify(key, message, signature),
    })
}

/// Names a signature of a message by a key: whoever wants another of the same name needs a collision.
pub fn name_of(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> Digest {
    Digest(name(key, message, signature))
}

fn check(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    VerifyingKey::from_bytes(key)
        .and_then(|key| key.verify_strict(message, &Signature::from_bytes(signature)))
        .is_ok()
}

/// While it lives, accepted signatures are remembered on the thread that made it; it stays on that thread.
#[derive(Debug)]
pub struct SignatureMemo {
    before: Option<Memo>,
    /// What is thread-local is not taken back from elsewhere.
    on_this_thread: PhantomData<*const ()>,
}

impl SignatureMemo {
    /// Remembers at most so many accepted signatures (32 bytes each) from now on, the latest used ones at least
    /// half of that; when this is dropped they are forgotten, and a memo that was there before counts again.
    pub fn on_this_thread(capacity: usize) -> Self {
        let before = MEMO.replace(Some(Memo { generation_max: capacity / 2, ..Memo::default() }));
        Self { before, on_this_thread: PhantomData }
    }

    /// Returns how many verifications were lookups, in the memo that counts on this thread now.
    pub fn lookups(&self) -> u64 {
        MEMO.with_borrow(|memo| memo.as_ref().map_or(0, |memo| memo.lookups))
    }
}

impl Drop for SignatureMemo {
    fn drop(&mut self) {
        MEMO.set(self.before.take());
    }
}

/// Two generations: when the young one is full the old one is forgotten, and what is used becomes young again.
#[derive(Debug, Default)]
struct Memo {
    generation_max: usize,
    young: HashSet<[u8; 32]>,
    old: HashSet<[u8; 32]>,
    lookups: u64,
}

impl Memo {
    fn verify(&mut self, key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
        let name = name(key, message, signature);
        if self.young.contains(&name) {
            self.lookups += 1;
            return true;
        }
        let known = self.old.contains(&name);
        let holds = known || check(key, message, signature);
        self.lookups += u64::from(known);
        if holds && self.generation_max > 0 {
            if self.young.len() >= self.generation_max {
                self.old = mem::take(&mut self.young);
            }
            self.young.insert(name);
        }
        holds
    }
}

/// Key and signature have fixed lengths, so no two different triples are the same bytes.
fn name(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> [u8; 32] {
    Sha256::new().chain_update(key).chain_update(message).chain_update(signature).finalize().into()
}

#[cfg(test)]
mod tests {
    use crate::base::laws::cases;
    use ed25519_dalek::Signer as _;
    use proptest::prelude::*;

    use super::*;
    use crate::identity::SecretSeed;

    type Triple = ([u8; 32], Vec<u8>, [u8; 64]);

    fn signed(signer: u8, message: &[u8]) -> Triple {
        let seed = SecretSeed::from_bytes([signer; 32]);
        (seed.public(), message.to_vec(), seed.signing().sign(message).to_bytes())
    }

    fn holds((key, message, signature): &Triple) -> bool {
        verify(key, message, signature)
    }

    #[test]
    fn the_same_triple_is_looked_up_and_any_other_is_verified() {
        let memo = SignatureMemo::on_this_thread(8);
        let triple = signed(1, b"a checkpoint");
        assert!(holds(&triple) && memo.lookups() == 0);
        assert!(holds(&triple) && memo.lookups() == 1);
        let mut others = vec![triple.clone(), triple.clone(), triple.clone(), triple.clone()];
        others[0].0 = SecretSeed::from_bytes([2; 32]).public();
        others[1].1.push(0);
        others[2].1.pop();
        others[3].2[0] ^= 1;
        for other in others {
            assert!(!holds(&other) && !holds(&other), "a refusal is not remembered");
        }
        assert_eq!(memo.lookups(), 1);
    }

    #[test]
    fn a_byte_that_moves_between_the_parts_is_another_triple() {
        let _memo = SignatureMemo::on_this_thread(8);
        let triple = signed(1, b"message");
        assert!(holds(&triple));
        let whole = [&triple.0[..], &triple.1, &triple.2].concat();
        let moved = (
            <[u8; 32]>::try_from(&whole[..32]).unwrap(),
            whole[32..whole.len() - 65].to_vec(),
            <[u8; 64]>::try_from(&whole[whole.len() - 65..whole.len() - 1]).unwrap(),
        );
        assert!(!holds(&moved));
    }

    #[test]
    fn a_small_order_key_verifies_nothing_with_a_memo_or_without() {
        // The identity point: without strictness any message is "signed" by it with R = identity, s = 0.
        let mut key = [0; 32];
        key[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        assert!(!verify(&key, b"anything", &signature));
        let _memo = SignatureMemo::on_this_thread(8);
        assert!(!verify(&key, b"anything", &signature) && !verify(&key, b"anything", &signature));
    }

    #[test]
    fn it_forgets_beyond_its_capacity_and_keeps_what_is_used() {
        let memo = SignatureMemo::on_this_thread(4);
        let often = signed(1, b"often");
        for number in 0..20_u8 {
            assert!(holds(&often) && holds(&signed(1, &[number])));
            let held = MEMO.with_borrow(|memo| memo.as_ref().map(|memo| memo.young.len() + memo.old.len()));
            assert!(held.unwrap() <= 4);
        }
        assert_eq!(memo.lookups(), 19, "what is used all the time stays");
        assert!(holds(&signed(1, &[0])));
        assert_eq!(memo.lookups(), 19, "what was used long ago is gone");
    }

    #[test]
    fn it_ends_with_its_guard_and_gives_way_to_the_one_before() {
        let triple = signed(1, b"a checkpoint");
        let outer = SignatureMemo::on_this_thread(8);
        assert!(holds(&triple) && holds(&triple));
        {
            let inner = SignatureMemo::on_this_thread(0);
            assert!(holds(&triple) && holds(&triple));
            assert_eq!(inner.lookups(), 0, "a memo without capacity remembers nothing");
        }
        assert!(holds(&triple));
        assert_eq!(outer.lookups(), 2);
        drop(outer);
        assert!(holds(&triple) && MEMO.with_borrow(Option::is_none));
    }

    proptest! {
        #![proptest_config(cases(24))]

        #[test]
        fn a_memo_changes_no_answer(
            asked in proptest::collection::vec((0..3_u8, 0..3_u8, 0..6_usize, any::<u8>()), 1..24),
            capacity in 0..9_usize,
        ) {
            let triples: Vec<Triple> = asked
                .into_iter()
                .map(|(signer, message, spoilt, by)| {
                    let mut triple = signed(signer, &[message; 5]);
                    match spoilt {
                        0 => triple.0[usize::from(by) % 32] ^= by,
                        1 => triple.1[usize::from(by) % 5] ^= by,
                        2 => triple.2[usize::from(by) % 64] ^= by,
                        _ => {}
                    }
                    triple
                })
                .collect();
            let expected: Vec<bool> = triples.iter().map(holds).collect();
            let _memo = SignatureMemo::on_this_thread(capacity);
            for _ in 0..2 {
                prop_assert_eq!(&triples.iter().map(holds).collect::<Vec<bool>>(), &expected);
            }
        }
    }
}
