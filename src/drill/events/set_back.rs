//! `set-back`: a machine goes on from an older copy of its disk, and does not know it.

use std::sync::Arc;
use std::time::Duration;

use super::super::chance::Chance;
use super::super::deed::{Deed, TimedDeed};
use super::super::scenario::{AT_ONE, Mark, Mistake, Scenario, Shape, StorePlan, Told, Walk, Words, need};
use super::super::units::length;
use super::words::{site, told};
use super::{Event, EventKind};

/// The kind.
pub static SET_BACK: EventKind = EventKind {
    name: "set-back",
    does: Words {
        en: "a copy of the disk is made, and some time later the machine goes on from it as if nothing had been written \
             since (a virtual machine that is set back to a snapshot); what it writes then forks its lanes",
        ja: "ディスクの写しを取り、しばらく後、機器がそこから続ける。その間に書かれたことを知らない（スナップショットに\
             戻された仮想マシン）。その後に書くと、レーンが枝分かれする",
    },
    keys: &[
        AT_ONE,
        need(
            "after",
            Shape::Span,
            "how long after the copy the machine is set back to it",
            "写しを取ってから戻すまでの時間",
        ),
    ],
    live: false,
    example: "at = \"south\"\nafter = \"2h\"",
    read: |table, names| {
        let at = names.at(table)?;
        let after = table.span("after")?;
        match after.value.is_zero() {
            true => Err(Mistake::at(after.line, "'after' is longer than no time")),
            false => Ok(Arc::new(SetBack { at, after: after.value })),
        }
    },
};

#[derive(Debug)]
struct SetBack {
    at: usize,
    after: Duration,
}

impl Event for SetBack {
    fn kind(&self) -> &'static EventKind {
        &SET_BACK
    }

    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String> {
        walk.runs(self.at)?;
        if walk.scenario().replicas[self.at].store != StorePlan::Disk {
            return Err(format!("needs a disk at '{}'; give it store = \"disk\"", walk.name(self.at)));
        }
        walk.mark(Mark::Fault);
        walk.mark(Mark::Damage);
        Ok(())
    }

    fn deeds(&self, _: &Scenario, _: &mut Chance) -> Vec<TimedDeed> {
        let at = self.at;
        vec![Deed::CopyDisk { at }.at_once(), Deed::SetBack { at }.after(self.after)]
    }

    fn told(&self, scenario: &Scenario) -> Told {
        let (site, after) = (site(scenario, self.at), length(self.after));
        told(
            format!("The machine of {site} is copied, and set back to the copy after {}", after.en),
            format!("{site}の機器の写しを取り、{}後にその状態へ戻す", after.ja),
        )
    }
}
