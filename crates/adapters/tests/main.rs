//! The adapters against real servers, in one test program.

#![cfg(test)]

mod servers;
mod servers_tests;
mod sqlite_tests;
mod suites;
