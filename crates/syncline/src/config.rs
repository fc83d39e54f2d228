//! The configuration: the YAML file becomes a tree with places, a draft with types, and, together
//! with what the systems' schemas know, the plan that everything else works with.
//!
//! [`load`] is the door: it reads, checks and complains. [`Loaded`] then answers what commands
//! need: settings of a system, the tables to describe, the hub's path, the plan.

mod address;
mod check;
mod compile;
mod complaint;
mod draft;
mod expression;
mod keys;
mod load;
mod lookup;
mod online;
mod read;
mod scalar;
mod secrets;
mod similar;
mod source;
mod tree;

pub(crate) use self::{
    compile::{Live, LiveSystem},
    complaint::{Complaint, Edit, Severity, count, render, sorted},
    load::{Loaded, load, read},
    online::{Seen, look, look_at},
    scalar::duration_ms,
    source::Sources,
};
