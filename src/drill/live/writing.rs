//! Writing until the power fails: with two writers or more, one is always in mid-write.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinSet;

use super::client::Client;
use super::place::Home;
use super::process::ServeProcess;
use crate::base::RecordId;
use crate::drill::error::StepFailure;
use crate::record::Author;
use crate::replica::answer::Written;
use crate::replica::request::{Request, Write};

/// What the writers of a replica share.
struct Course {
    home: Home,
    record: RecordId,
    author: Author,
    after_writes: u64,
    state: Mutex<State>,
}

struct State {
    process: ServeProcess,
    begun: u64,
    acknowledged: Vec<Written>,
    killed: bool,
}

/// What came of it: the killed process, what was acknowledged, and why writing failed before the kill, if so.
pub struct Killed {
    /// The process, killed and not yet awaited.
    pub process: ServeProcess,
    /// What was acknowledged.
    pub written: Vec<Written>,
    /// Whether all went as planned.
    pub course: Result<(), StepFailure>,
}

/// Writes notes into a record until so many are acknowledged, and kills the replica at once then.
///
/// # Errors
/// [`StepFailure`] when the writers cannot be awaited; the replica is killed all the same.
pub async fn until_killed(
    process: ServeProcess,
    home: &Home,
    record: RecordId,
    author: &Author,
    after_writes: u64,
    writers: usize,
) -> Result<Killed, StepFailure> {
    let state = Mutex::new(State { process, begun: 0, acknowledged: Vec::new(), killed: false });
    let (home, author) = (home.clone(), author.clone());
    let course = Arc::new(Course { home, record, author, after_writes, state });
    let mut writing = JoinSet::new();
    for _ in 0..writers {
        writing.spawn(course.clone().write());
    }
    let mut ended = Ok(());
    for writer in writing.join_all().await {
        ended = ended.and(writer);
    }
    let course = Arc::into_inner(course).ok_or_else(|| StepFailure("a writer has not ended".to_owned()))?;
    let mut state = course.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    let killed = if state.killed { Ok(()) } else { state.process.kill() };
    Ok(Killed { process: state.process, written: state.acknowledged, course: ended.and(killed) })
}

impl Course {
    async fn write(self: Arc<Self>) -> Result<(), StepFailure> {
        let mut client = Client::connect(&self.home).await?;
        while let Some(number) = self.begin() {
            let text = format!("訓練 {number}: 血圧 {}/{}", 110 + number % 30, 60 + number % 20);
            let (record, author) = (self.record.to_string(), self.author.clone());
            let write = Write::Note { text, title: None };
            let answer =
                client.ask::<Written>(&Request::Record { record, write, author, overriding: None }).await;
            self.answered(answer)?;
        }
        Ok(())
    }

    /// Numbers the next note; none once the power was cut.
    fn begin(&self) -> Option<u64> {
        let mut state = self.state();
        state.begun += 1;
        (!state.killed).then_some(state.begun)
    }

    /// Notes an acknowledgement, and cuts the power at once when it is the last.
    fn answered(&self, answer: Result<Written, StepFailure>) -> Result<(), StepFailure> {
        let mut state = self.state();
        match answer {
            // An acknowledgement that was under way when the power failed counts like any other.
            Ok(written) => state.acknowledged.push(written),
            Err(_) if state.killed => return Ok(()),
            Err(failure) => return Err(failure),
        }
        if !state.killed && state.acknowledged.len() as u64 >= self.after_writes {
            state.killed = true;
            state.process.kill()?;
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
