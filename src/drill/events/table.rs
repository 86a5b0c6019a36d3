//! The table of all events, in the order of the coordinator's guide.

use super::EventKind;
use super::backup::{BACKUP, S3_OUTAGE};
use super::bad_disks::{DISK_CORRUPT, DISK_FULL};
use super::clocks::{CLOCK_JUMP, CLOCK_SKEW};
use super::courier::{QR_HANDOVER, USB_COURIER};
use super::disk_loss::{DESTROY_DISK, RESTORE, SITE_LOST};
use super::duplicate::DUPLICATE_REGISTRATION;
use super::import::IMPORT;
use super::import_list::IMPORT_LIST;
use super::kill_in_mid_write::KILL_IN_MID_WRITE;
use super::lie::LIE;
use super::paths::{CUT, HEAL, MEET};
use super::power::{POWER_FAILURE, POWER_LOSS};
use super::processes::{CRASH, FREEZE, START, STOP};
use super::quota::QUOTA_SATELLITE;
use super::return_to_normal::RETURN_TO_NORMAL;
use super::second_quake::SECOND_QUAKE;
use super::set_back::SET_BACK;
use super::storm::RECONNECT_STORM;
use super::surge::SURGE;
use super::tying::{LINK, UNLINK};
use super::wait_converged::WAIT_CONVERGED;
use super::weak_paths::{DEGRADE, FLAP, ONE_WAY};
use super::writing::{ADMINISTRATION, ALLERGY, HANDOVER, MEDICATION, NOTE, REGISTER};

/// Every kind of event: whoever adds one adds it here, and nowhere else.
pub static EVENTS: &[&EventKind] = &[
    &IMPORT,
    &IMPORT_LIST,
    &WAIT_CONVERGED,
    &REGISTER,
    &ALLERGY,
    &MEDICATION,
    &ADMINISTRATION,
    &NOTE,
    &HANDOVER,
    &SURGE,
    &DUPLICATE_REGISTRATION,
    &LINK,
    &UNLINK,
    &CUT,
    &HEAL,
    &MEET,
    &USB_COURIER,
    &QR_HANDOVER,
    &FLAP,
    &ONE_WAY,
    &DEGRADE,
    &QUOTA_SATELLITE,
    &POWER_FAILURE,
    &POWER_LOSS,
    &RECONNECT_STORM,
    &KILL_IN_MID_WRITE,
    &CRASH,
    &FREEZE,
    &START,
    &STOP,
    &DISK_FULL,
    &DISK_CORRUPT,
    &DESTROY_DISK,
    &SITE_LOST,
    &BACKUP,
    &S3_OUTAGE,
    &RESTORE,
    &SET_BACK,
    &CLOCK_SKEW,
    &CLOCK_JUMP,
    &LIE,
    &SECOND_QUAKE,
    &RETURN_TO_NORMAL,
];
