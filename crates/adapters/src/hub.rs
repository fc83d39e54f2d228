//! The hub: where records, links, audit and all we remember are kept.
//!
//! `codec` knows the stored form and nothing of any database; `sqlite` keeps it in one file.

mod codec;
pub mod sqlite;
