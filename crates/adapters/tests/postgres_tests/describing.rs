//! What `doctor` and `check` are told.
