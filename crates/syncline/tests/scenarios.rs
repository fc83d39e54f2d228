//! Scenarios through the real program, on real PostgreSQL, MariaDB and SQLite.
//!
//! Systems `a`, `b` and `c` hold contacts; `a` stands first. Each scenario is played in three
//! arrangements, so that each kind of database stands at each place.
//!
//! Those that are data are played by `data.rs`, and in the simulator; the others are here because they
//! need triggers, schemas, commands or volumes that a scenario cannot say.
//!
//! | row | file |
//! |---|---|
//! | 1.1: P5, P12 | `propagation.rs` |
//! | 1.2: M10, M19, M20 | `concurrent.rs` |
//! | 1.3: D4, D8, D15, D16 | `deletes.rs` |
//! | 1.4 and 1.7: L2; S4, S14 | `mapping.rs` |
//! | 1.3: D12 | `reads.rs` |
//! | 1.7: S2, S3 | `times.rs` |
//! | 1.7: S8, S9, S10, S12, S13 | `schema.rs` |
//! | 1.9: O2, O3 | `plans.rs` |
//! | 1.2 and 1.6: M17, W5, W9, W12, W13 | `faults.rs` |
//! | 1.6: W13 | `crashes.rs` |
//! | 1.4: L3, L5 to L8 | `loops.rs` |
//! | 1.6: W1 | `answers.rs` |
//! | 1.6 and 1.8: W6; I1 | `writes.rs` |
//! | 1.8: I2, I7 | `identity.rs` |
//!
//! F1, F2 and F3 are `poll_meets_…` and `poll_shows_…` of `ports::suite::source`, on every kind; W15 is
//! in `bad_input.rs`; O6 is the simulator's whole subject, and M20 here.

mod answers;
mod concurrent;
mod crashes;
mod data;
mod deletes;
mod faults;
mod identity;
mod loops;
mod mapping;
mod plans;
mod polls;
mod propagation;
mod reads;
mod schema;
mod stage;
mod times;
mod wire;
mod writes;

use stage::{Given, Step};

/// One contact, linked everywhere under three different keys.
const CONTACT: Given = Given {
    tables: "create table contact (id {id}, email {text} not null unique, name {text}, phone {text}, status {text})",
    rows: [
        "insert into contact (id, email, name, phone, status) values (11, 'r@x', 'N0', 'P0', 'S0')",
        "insert into contact (id, email, name, phone, status) values (21, 'r@x', 'N0', 'P0', 'S0')",
        "insert into contact (id, email, name, phone, status) values (31, 'r@x', 'N0', 'P0', 'S0')",
    ],
    mapping: "
entities:
  contact:
    in: {@contact}
    match: email
    fields:
      email: {@email}
      name: {@name}
      phone: {@phone}
      status: {@status}
",
    show: "select email, name, phone, status from contact order by email",
};

/// The same, with a column that says when a row last changed.
const STAMPED: Given = Given {
    tables: "create table contact (id {id}, email {text} not null unique, name {text}, phone {text}, status {text}, changed {moment})",
    rows: [
        "insert into contact (id, email, name, phone, status, changed) values (11, 'r@x', 'N0', 'P0', 'S0', '2024-05-01 10:00:00')",
        "insert into contact (id, email, name, phone, status, changed) values (21, 'r@x', 'N0', 'P0', 'S0', '2024-05-01 10:00:00')",
        "insert into contact (id, email, name, phone, status, changed) values (31, 'r@x', 'N0', 'P0', 'S0', '2024-05-01 10:00:00')",
    ],
    mapping: "
timezone: UTC
entities:
  contact:
    in:
      a: {table: contact, changed_at: changed}
      b: {table: contact, changed_at: changed}
      c: {table: contact, changed_at: changed}
    match: email
    fields:
      email: {@email}
      name: {@name}
      phone: {@phone}
      status: {@status}
",
    show: CONTACT.show,
};

/// The contact of the first rows is linked without a write.
const LINKED: Step = Step::Run([0, 0, 0]);
