//! Scenarios through the real program, on real PostgreSQL, MariaDB and SQLite.
//!
//! Systems `a`, `b` and `c` hold contacts; `a` stands first. Each scenario is played in three
//! arrangements, so that each kind of database stands at each place.
//!
//! | row | file | tests |
//! |---|---|---|
//! | 1.1: P1 to P7, P9, P10, P12 | `propagation.rs` | `p1_…` to `p12_…` |
//! | 1.2: M1 to M12, M14 to M16, M20 | `concurrent.rs` | `m1_…` to `m20_…` |
//! | 1.3: D1 to D7, D11, D13 to D18; I8 | `deletes.rs` | `d1_…` to `d18_…`, `i8_…` |
//! | 1.4 and 1.7: L2, L4; S1, S4 to S7, S14 | `mapping.rs` | `l2_…`, `l4_…`, `s1_…` to `s14_…` |
//! | 1.3: D12 | `reads.rs` | `d12_…` |
//! | 1.7: S2, S3 | `times.rs` | `s2_…`, `s3_…` |
//! | 1.7: S8, S10 | `schema.rs` | `s8_…`, `s10_…` |
//! | 1.9: O2, O3 | `plans.rs` | `o2_…`, `o3_…` |
//! | 1.2 and 1.6: M17, W5, W9, W12, W13 | `faults.rs` | `m17_…`, `w5_…` to `w13_…` |
//! | 1.4 and 1.6: L9, W2, W13 | `crashes.rs` | `l9_…`, `w2_…`, `w13_…` |
//! | 1.4: L1, L3, L5 to L8 | `loops.rs` | `l1_…` to `l8_…` |
//! | 1.6: W1 | `answers.rs` | `w1_…` |
//! | 1.6 and 1.8: W4, W6 to W8; I1, I6 | `writes.rs` | `w4_…` to `w8_…`, `i1_…`, `i6_…` |
//! | 1.8: I2 | `identity.rs` | `i2_…` |
//!
//! F1, F2 and F3 are `poll_meets_…` and `poll_shows_…` of `ports::suite::source`, on every kind; W15 is
//! in `bad_input.rs`; O6 is the simulator's whole subject, and M20 here.

mod answers;
mod concurrent;
mod crashes;
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
