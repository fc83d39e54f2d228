//! The adapters against real servers, in one test program.

#![cfg(test)]

mod conformance;
mod file_tests;
mod mysql_tests;
mod postgres_tests;
mod rest_tests;
mod servers;
mod servers_tests;
mod sqlite_tests;
mod suites;
mod tls_tests;
