//! The program: reads arguments, does one command, exits with a number.

mod address;
mod alerts;
mod api;
mod approved;
mod auto;
mod backups;
mod beside;
mod books;
mod cli;
mod columns;
mod config;
mod cron;
mod decide;
mod deeds;
mod discover;
mod doubts;
mod drift;
mod exit;
mod fights;
mod grace;
mod installation;
mod limits;
mod loan;
mod measure;
mod overlay;
mod pace;
mod pages;
mod pass;
mod process;
mod progress;
mod recovery;
mod report;
mod retention;
mod rollback;
#[cfg(test)]
mod scenarios;
mod scratch;
mod seals;
mod serve;
mod session;
mod shown;
mod stopwatch;
mod times;
mod tokens;
mod traces;
mod typed;
mod ui;
mod words;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    process::settle();
    ExitCode::from(cli::main(std::env::args_os()).code())
}
