//! The program: the allocator, the command line, the exit code.

use std::process::ExitCode;

use clap::Parser as _;
use weir::cli::{self, Cli};
use weir::{boot, rt};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let given = match boot::Given::take() {
        Ok(given) => given,
        Err(error) => {
            eprintln!("weir: {error}");
            return ExitCode::FAILURE;
        }
    };
    let handed = given.handed().clone();
    cli::run(Cli::parse(), boot::machine, &handed, |start| match boot::serve(start, given) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("weir: {error}");
            rt::leave(1)
        }
    })
}
