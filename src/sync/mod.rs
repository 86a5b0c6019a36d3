//! The sans-IO sync session.
