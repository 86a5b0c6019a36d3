//! Writing until the power fails: two writers at once, so that one is always in mid-write.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::client::Client;
use super::process::ServeProcess;
use crate::base::RecordId;
use crate::drill::error::StepFailure;
use crate::record::Author;
use crate::replica::answer::Written;
use crate::replica::request::{Request, Write};

struct Course {
    process: ServeProcess,
    begun: u64,
    acknowledged: Vec<Written>,
    killed: bool,
}

/// Writes notes into a record until so many are acknowledged; kills the replica at once then. Returns the
/// process, killed, and what was acknowledged.
///
/// # Errors
/// The second value says why writing failed before the kill; the replica is killed all the same.
pub async fn until_killed(
    process: ServeProcess,
    store: &Path,
    record: RecordId,
    author: &Author,
    after_writes: u64,
) -> (ServeProcess, Vec<Written>, Result<(), StepFailure>) {
    let course = Mutex::new(Course { process, begun: 0, acknowledged: Vec::new(), killed: false });
    let one = writer(&course, store, record, author, after_writes);
    let other = writer(&course, store, record, author, after_writes);
    let (one, other) = tokio::join!(one, other);
    let mut course = course.into_inner().unwrap_or_else(PoisonError::into_inner);
    let killed = if course.killed { Ok(()) } else { course.process.kill() };
    (course.process, course.acknowledged, one.and(other).and(killed))
}

async fn writer(
    course: &Mutex<Course>,
    store: &Path,
    record: RecordId,
    author: &Author,
    after_writes: u64,
) -> Result<(), StepFailure> {
    let mut client = Client::connect(store).await?;
    loop {
        let number = {
            let mut course = lock(course);
            if course.killed {
                return Ok(());
            }
            course.begun += 1;
            course.begun
        };
        let text = format!("訓練 {number}: 血圧 {}/{}", 110 + number % 30, 60 + number % 20);
        let write = Write::Note { text, title: None };
        let request = Request::Record { record: record.to_string(), write, author: author.clone() };
        let answer = client.ask::<Written>(&request).await;
        let mut course = lock(course);
        match answer {
            // An acknowledgement that was under way when the power failed counts like any other.
            Ok(written) => course.acknowledged.push(written),
            Err(_) if course.killed => return Ok(()),
            Err(failure) => return Err(failure),
        }
        if !course.killed && course.acknowledged.len() as u64 >= after_writes {
            course.killed = true;
            course.process.kill()?;
        }
    }
}

fn lock(course: &Mutex<Course>) -> MutexGuard<'_, Course> {
    course.lock().unwrap_or_else(PoisonError::into_inner)
}
