//! How the program asks the system for memory.

/// Asks for memory in ordinary pages, for this process and those that it starts.
///
/// The allocator asks for huge pages (2 MiB), and the system clears such a page whole as soon as one byte of it is used, again
/// each time after it was given back: a fifth of the CPU of a full sync, and memory that nobody uses. A system without huge
/// pages needs nothing, so a refusal is no failure.
pub fn in_ordinary_pages() {
    #[cfg(target_os = "linux")]
    if let Err(error) = nix::sys::prctl::set_thp_disable(true) {
        tracing::debug!(%error, "huge pages stay on");
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn huge_pages_are_off() {
        super::in_ordinary_pages();
        assert!(nix::sys::prctl::get_thp_disable().unwrap());
    }
}
