//! The program: the allocator, the command line, the exit code.

use std::process::ExitCode;

use clap::Parser as _;
use weir::cli::{self, Cli};
use weir::{boot, rt};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Huge pages would round every small heap up to megabytes, and the memory of a quiet stream with it. Asked for
    // before the heap grows; where it is refused, weir is larger and nothing else.
    let _refused = rt::sys::no_huge_pages();
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
