//! The configuration: the YAML file becomes a tree with places, a draft with types, and, together
//! with what the systems' schemas know, the plan that everything else works with.

mod address;
mod check;
mod complaint;
mod draft;
mod expression;
mod keys;
mod read;
mod scalar;
mod secrets;
mod similar;
mod source;
mod tree;
