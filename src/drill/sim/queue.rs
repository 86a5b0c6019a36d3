//! What is to happen, in order of time; at one time in the order of scheduling.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// A queue of things that are due at times.
pub(super) struct Queue<T> {
    heap: BinaryHeap<Reverse<Due<T>>>,
    scheduled: u64,
}

struct Due<T> {
    at: Duration,
    number: u64,
    what: T,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), scheduled: 0 }
    }
}

impl<T> Queue<T> {
    /// Schedules something.
    pub(super) fn push(&mut self, at: Duration, what: T) {
        self.scheduled += 1;
        self.heap.push(Reverse(Due { at, number: self.scheduled, what }));
    }

    /// Returns when the next thing is due.
    pub(super) fn next_at(&self) -> Option<Duration> {
        self.heap.peek().map(|Reverse(due)| due.at)
    }

    /// Takes the next thing if it is due by `until`.
    pub(super) fn pop_by(&mut self, until: Duration) -> Option<(Duration, T)> {
        if self.next_at()? > until {
            return None;
        }
        self.heap.pop().map(|Reverse(due)| (due.at, due.what))
    }
}

impl<T> PartialEq for Due<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl<T> Eq for Due<T> {}

impl<T> PartialOrd for Due<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Due<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_come_in_order_of_time_then_of_scheduling() {
        let mut queue = Queue::default();
        let second = Duration::from_secs(1);
        queue.push(second * 2, "late");
        queue.push(second, "first");
        queue.push(second, "second");
        assert_eq!(queue.pop_by(second), Some((second, "first")));
        assert_eq!(queue.pop_by(second), Some((second, "second")));
        assert_eq!(queue.pop_by(second), None);
        assert_eq!(queue.next_at(), Some(second * 2));
    }
}
