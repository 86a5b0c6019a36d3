//! How many bytes may be on their way: as many as the link delivers within about two seconds.
//!
//! What has been handed to the transport can no longer be overtaken, so a fixed window would keep an urgent
//! entry waiting for minutes on a slow link. The window therefore grows while acknowledgements come quickly and
//! shrinks when they come late (after the idea of delay-based congestion control, TCP Vegas, Brakmo 1995; the
//! transport's own congestion control stays in charge of the network).

use super::limits::{
    SEGMENT_PLAIN_BYTES, WINDOW_BYTES_FIRST, WINDOW_BYTES_MAX, WINDOW_BYTES_MIN, WINDOW_LATENCY_MS,
};
use crate::base::WallMs;

/// The window of one session, in plain bytes.
#[derive(Debug, Clone)]
pub struct Window {
    size: usize,
    flying: usize,
    shrunk_at: WallMs,
}

impl Default for Window {
    fn default() -> Self {
        Self { size: WINDOW_BYTES_FIRST, flying: 0, shrunk_at: WallMs(0) }
    }
}

impl Window {
    /// Returns how many more bytes may be sent; something may always be sent when nothing is on its way.
    pub fn room(&self) -> usize {
        if self.flying == 0 { self.size.max(1) } else { self.size.saturating_sub(self.flying) }
    }

    /// Returns how many bytes of runs are put into one message: little when the link is slow, so that what is
    /// urgent can overtake, and what is cut off can go on.
    pub fn message_bytes(&self) -> usize {
        SEGMENT_PLAIN_BYTES.min(self.size / 4)
    }

    /// Counts bytes that were sent.
    pub fn sent(&mut self, bytes: usize) {
        self.flying = self.flying.saturating_add(bytes);
    }

    /// Counts bytes that will not be acknowledged.
    pub fn forgotten(&mut self, bytes: usize) {
        self.flying = self.flying.saturating_sub(bytes);
    }

    /// Counts bytes that were sent at `sent_at` and are acknowledged now.
    pub fn acknowledged(&mut self, bytes: usize, sent_at: WallMs, now: WallMs) {
        self.flying = self.flying.saturating_sub(bytes);
        let latency_ms = now.0.saturating_sub(sent_at.0);
        if latency_ms <= WINDOW_LATENCY_MS {
            self.size = self.size.saturating_add(bytes).min(WINDOW_BYTES_MAX);
        } else if sent_at >= self.shrunk_at {
            // Once for all that was sent under the larger window.
            let aimed = (self.size as u64).saturating_mul(WINDOW_LATENCY_MS) / latency_ms;
            self.size = usize::try_from(aimed).unwrap_or(WINDOW_BYTES_MAX).max(WINDOW_BYTES_MIN);
            self.shrunk_at = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_link_opens_the_window_and_a_slow_one_closes_it() {
        let mut window = Window::default();
        for round in 0..20 {
            let bytes = window.room();
            window.sent(bytes);
            window.acknowledged(bytes, WallMs(round), WallMs(round + 5));
        }
        assert_eq!(window.room(), WINDOW_BYTES_MAX);
        let mut now = 1_000;
        for _ in 0..20 {
            let bytes = window.room();
            let takes_ms = bytes as u64 / 20; // 20 plain bytes a millisecond
            window.sent(bytes);
            window.acknowledged(bytes, WallMs(now), WallMs(now + takes_ms));
            now += takes_ms;
        }
        assert!((WINDOW_BYTES_MIN..=128 << 10).contains(&window.room()), "{}", window.room());
    }

    #[test]
    fn one_message_may_always_fly() {
        let mut window = Window::default();
        window.sent(100 << 20);
        assert_eq!(window.room(), 0);
        window.forgotten(100 << 20);
        assert!(window.room() > 0);
    }
}
