//! The program that trains with libtorch. `runtime` starts it and does not link libtorch itself.
//!
//! **What it does not know:** everything except training; see the library's `trainer`.

#[cfg(feature = "torch")]
mod torch;

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "torch")]
    let make = torch::trainer;
    #[cfg(not(feature = "torch"))]
    let make = runtime::train::trainer;
    runtime::trainer::main(make)
}
