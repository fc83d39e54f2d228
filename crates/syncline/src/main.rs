//! The program: reads arguments, does one command, exits with a number.

mod catalogue;
mod cli;
mod config;
mod exit;
mod pages;
mod report;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(cli::main(std::env::args_os()).code())
}
