//! Rehearsing the disaster: scenario, live run, observer, report.
