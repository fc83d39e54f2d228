//! Writes beyond the shared suite.
