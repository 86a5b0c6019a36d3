//! One replica: composition of store, lanes, records, sync and backup.
