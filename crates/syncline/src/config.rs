//! The configuration: the YAML file becomes a tree with places, a draft with types, and, together
//! with what the systems' schemas know, the plan that everything else works with.
//!
//! [`load()`] is the door: it reads, checks and complains. [`Loaded`] then answers what commands
//! need: settings of a system, the tables to describe, the hub's path, the plan.

pub(crate) mod address;
#[cfg(test)]
mod attack;
mod channels;
mod check;
pub(crate) mod compile;
pub(crate) mod complaint;
pub(crate) mod draft;
mod expression;
mod keys;
mod load;
mod lookup;
pub(crate) mod numbering;
mod online;
mod read;
#[cfg(test)]
mod reference;
pub(crate) mod scalar;
mod schema;
mod secrets;
mod show;
pub(crate) mod similar;
pub(crate) mod source;
pub(crate) mod tree;

pub(crate) use self::{
    compile::Live,
    complaint::{Complaint, Edit, Severity, count, render, sorted},
    load::{Loaded, load, of_text, read, replace, with_text},
    online::{look, look_at},
    schema::schema,
    show::{json, yaml},
    source::Sources,
};
