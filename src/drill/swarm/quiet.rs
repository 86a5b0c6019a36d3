//! Panics that are expected: they are caught and told as data, and do not reach the terminal.
//!
//! The database panics on some rotten pages, inside a `catch_unwind` of the store; whatever else panics in a
//! simulation is a bug that the sweep reports.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether panics of this thread are kept from the terminal.
    static QUIET: Cell<bool> = const { Cell::new(false) };
    /// What the last of them said.
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

static HOOK: Once = Once::new();

/// Does something; a panic on this thread is not shown, wherever it is caught.
///
/// # Errors
/// What the panic said and where it was, when nothing within caught it.
pub(super) fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    HOOK.call_once(|| {
        let shown = panic::take_hook();
        panic::set_hook(Box::new(move |info| match QUIET.get() {
            true => LAST.with_borrow_mut(|last| *last = info.to_string()),
            false => shown(info),
        }));
    });
    let before = QUIET.replace(true);
    // What the work has left half done is dropped with it: a region that panicked is never looked at again.
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    QUIET.set(before);
    done.map_err(|_| LAST.with_borrow_mut(std::mem::take).replace('\n', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_with_its_place_and_work_goes_on() {
        let told = quietly(|| -> u32 { panic!("page 3 is rotten") }).unwrap_err();
        assert!(told.contains("page 3 is rotten") && told.contains("quiet.rs"), "{told}");
        assert_eq!(quietly(|| 5), Ok(5));
    }
}
