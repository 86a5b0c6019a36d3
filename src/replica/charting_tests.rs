//! Charts between replicas, through real request handling.
