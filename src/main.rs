//! The program: the allocator, the command line, the exit code.

use std::process::ExitCode;

use clap::Parser as _;
use weir::cli::{self, Cli};
use weir::{boot, rt};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run(Cli::parse(), boot::machine, |start| match boot::serve(start) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("weir: {error}");
            rt::leave(1)
        }
    })
}
