//! Signed transparency logs: entries, trees, checkpoints, runs, admission, forks, carry.
