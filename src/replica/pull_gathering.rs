//! An answer that is coming: put together, checked, and kept as soon as a part of it is proven.

use std::collections::BTreeSet;

use super::core::Replica;
use super::error::ReplicaError;
use super::proving::Via;
use super::pull_answer::{RecordPulled, UnheardSite};
use super::pull_sessions::News;
use crate::base::{DeviceId, RecordId};
use crate::lane::{Gatherer, ProvenRecord, Step, VerifiedCarried};
use crate::record::facts::{Facts, Standing};
use crate::record::sections::demographics;
use crate::record::{FactsBody, Whom};
use crate::sync::limits::ANSWER_BYTES_MAX;
use crate::sync::{Ended, Reach};

/// An answer that is coming.
pub(super) struct Gathering {
    whom: Whom,
    reach: Reach,
    gatherer: Gatherer,
    /// The records of which is known that they are the person's who is meant.
    meant: BTreeSet<RecordId>,
}

impl Gathering {
    pub(super) fn new(whom: Whom, reach: Reach) -> Self {
        let meant = match &whom {
            Whom::Record { record } => BTreeSet::from([*record]),
            Whom::Identifier { .. } | Whom::Person { .. } => BTreeSet::new(),
        };
        Self { whom, reach, gatherer: Gatherer::new(ANSWER_BYTES_MAX), meant }
    }

    /// Takes the next bytes of it; the last news is [`News::Unfit`] when it is of no use.
    ///
    /// # Errors
    /// When this replica's store fails.
    pub(super) fn take(
        &mut self,
        replica: &Replica,
        peer: &DeviceId,
        bytes: &[u8],
    ) -> Result<Vec<News>, ReplicaError> {
        let mut news = Vec::new();
        let steps = match self.gatherer.take(bytes) {
            Ok(steps) => steps,
            Err(error) => return Ok(vec![unfit(peer, error.to_string())]),
        };
        for step in steps {
            match step {
                Step::Facts(entries) => news.push(News::Facts(entries)),
                Step::Signed(signed) => match self.keep(replica, peer, &signed)? {
                    Ok(kept) => news.push(News::Kept(kept)),
                    Err(why) => {
                        news.push(unfit(peer, why));
                        break;
                    }
                },
            }
        }
        Ok(news)
    }

    /// Tells how it ended: what was cut in the middle is not whole.
    pub(super) fn ended(self, ended: Ended) -> News {
        match ended {
            Ended::Whole if self.meant.is_empty() => News::Ended(Ended::Nobody),
            Ended::Whole if !self.gatherer.is_between() => News::Unfit("it ended in the middle".to_owned()),
            ended => News::Ended(ended),
        }
    }

    fn keep(
        &mut self,
        replica: &Replica,
        peer: &DeviceId,
        signed: &[u8],
    ) -> Result<Result<RecordPulled, String>, ReplicaError> {
        let (proven, entries) = match replica.believed(signed) {
            Ok(believed) => believed,
            Err(ReplicaError::Bundle(why)) => return Ok(Err(why)),
            Err(error) => return Err(error),
        };
        if let Err(why) = self.fits(peer, &proven, &entries) {
            return Ok(Err(why.to_owned()));
        }
        self.meant.insert(proven.record);
        replica.keep_proven(Via::Peer, &proven, signed)?;
        let answered = proven.answered.unwrap_or(crate::lane::Answered {
            parts: Vec::new(),
            left_out: 0,
            unheard: Vec::new(),
        });
        let unheard =
            answered.unheard.into_iter().map(|one| UnheardSite { site: one.site, heard: one.heard });
        Ok(Ok(RecordPulled {
            record: proven.record,
            parts: answered.parts,
            entries: proven.entries.len() as u64,
            left_out: answered.left_out,
            time: proven.time,
            unheard: unheard.collect(),
        }))
    }

    /// Checks that what is proven is what was asked for, from who was asked.
    fn fits(
        &self,
        peer: &DeviceId,
        proven: &ProvenRecord,
        entries: &[VerifiedCarried],
    ) -> Result<(), &'static str> {
        if proven.answerer != *peer {
            return Err("it is signed by another device than the one that was asked");
        }
        let asked =
            |one: &VerifiedCarried| proven.parts().contains(&one.name.part) && self.reach.lets(one.name.part);
        if proven.answered.is_none() || !entries.iter().all(asked) {
            return Err("it is of other parts of the record than those that were asked for");
        }
        if self.meant.contains(&proven.record) {
            return Ok(());
        }
        let mut facts = Facts::new(proven.record);
        for one in entries {
            if let Ok(body) = FactsBody::from_bytes(&one.entry.body) {
                let (device, standing) = (one.name.device, Standing::Verified);
                // What does not join is no reason to believe that it is this person.
                let _ = facts.insert_body(one.lane, device, one.area(), standing, one.seq, &one.leaf, &body);
            }
        }
        match self.whom.is(&proven.record, &demographics::view(&facts).0) {
            true => Ok(()),
            false => Err("it is of another person than the one who was asked for"),
        }
    }
}

fn unfit(peer: &DeviceId, why: String) -> News {
    tracing::warn!(device = %peer, %why, "an answer about a person is not believed");
    News::Unfit(why)
}
