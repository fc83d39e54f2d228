//! The hub: where records, links, audit and all we remember are kept.
//!
//! `codec` knows the stored form and nothing of any database; `seal`, how it is sealed; `sqlite` keeps it in one file. Beside it,
//! in `inbox`, is what systems have sent and what has not been dealt with; in `calls`, what those who call were
//! answered.

pub mod backup;
mod beside;
pub mod calls;
mod codec;
pub mod envelope;
pub mod inbox;
pub mod news;
pub mod outbox;
pub mod seal;
pub mod series;
pub mod signer;
pub mod sqlite;
