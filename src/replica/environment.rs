//! What a replica gets from outside: the wall clock and random bytes, so that a simulator can give its own.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{SystemTime, UNIX_EPOCH};

use rand_core::{TryCryptoRng, TryRng};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinHandle;

use crate::base::WallMs;

/// The wall clock and the random bytes of a replica.
pub trait Environment: Send + Sync + 'static {
    /// Returns the wall-clock time.
    fn now(&self) -> WallMs;

    /// Fills bytes that nobody can guess.
    fn fill(&self, bytes: &mut [u8]);
}

impl dyn Environment {
    /// Returns the milliseconds since a time, 0 when the wall clock has gone back.
    pub(super) fn ms_since(&self, began: WallMs) -> u64 {
        self.now().0.saturating_sub(began.0)
    }
}

/// Does work that may wait for a disk, in the midst of a future: other tasks move to other threads where there are
/// any, and where nobody else runs (one thread, or no runtime, as in a simulator) it is simply done.
pub(super) fn blocking<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        Ok(_) | Err(_) => work(),
    }
}

/// What is done beside whoever began it, who waits for it later; dropped, it is given up. Where nobody else runs (one
/// thread, or no runtime, as in a simulator) it is done when it is waited for, so that all happens in one order.
pub(super) enum Beside<T> {
    /// A task of the runtime.
    Task(JoinHandle<T>),
    /// It has not begun.
    Later(Pin<Box<dyn Future<Output = T> + Send>>),
}

impl<T: Send + 'static> Beside<T> {
    /// Begins.
    pub(super) fn begin(work: impl Future<Output = T> + Send + 'static) -> Self {
        match Handle::try_current() {
            Ok(runtime) if runtime.runtime_flavor() == RuntimeFlavor::MultiThread => {
                Self::Task(runtime.spawn(work))
            }
            Ok(_) | Err(_) => Self::Later(Box::pin(work)),
        }
    }

    /// Says what came of it if it is done by now.
    pub(super) async fn if_done(&mut self) -> Option<T> {
        std::future::poll_fn(|context| match Pin::new(&mut *self).poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }
}

impl<T> Future for Beside<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        match self.get_mut() {
            Self::Task(task) => match ready!(Pin::new(task).poll(context)) {
                Ok(done) => Poll::Ready(done),
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            },
            Self::Later(work) => work.as_mut().poll(context),
        }
    }
}

impl<T> Drop for Beside<T> {
    fn drop(&mut self) {
        if let Self::Task(task) = self {
            task.abort();
        }
    }
}

/// The operating system's clock and random generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEnvironment;

impl Environment for SystemEnvironment {
    fn now(&self) -> WallMs {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        WallMs(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system gives random bytes");
    }
}

/// An environment as the random generator that cryptography asks for.
pub struct EnvironmentRng<'a>(
    /// The environment.
    pub &'a dyn Environment,
);

impl TryRng for EnvironmentRng<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for EnvironmentRng<'_> {}
