//! What people meet, in one test program: the commands, their words, and the rules of the house.

#![cfg(test)]

mod alerts;
mod api;
mod audit;
mod backups;
mod bad_input;
mod bad_servers;
mod bad_services;
mod browser;
mod bulk;
mod config_diff;
mod dashboard;
mod discover;
mod encrypted;
mod files;
mod files_many;
mod grace;
mod guards;
mod hooks;
mod hostile;
mod hubs;
mod keys;
mod limits;
mod lines;
mod looks;
mod mapping;
mod metrics;
mod northwind;
mod npm;
mod numbering;
mod on_the_way;
mod packages;
mod parse;
mod polls;
mod proxy;
mod pushes;
mod remote;
mod restored;
mod rollbacks;
mod rules;
mod runs;
mod scenarios;
mod sensitive;
mod serve;
#[path = "../../adapters/tests/servers.rs"]
mod servers;
mod shop;
mod snippets;
mod story;
mod templates;
mod tidy;
mod tokens;
mod traces;
mod words;
mod world;
