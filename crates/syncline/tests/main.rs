//! What people meet, in one test program: the commands, their words, and the rules of the house.

#![cfg(test)]

mod guards;
mod northwind;
#[path = "../../adapters/tests/servers.rs"]
mod servers;
mod snippets;
mod tidy;
