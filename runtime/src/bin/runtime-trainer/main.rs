//! The program that trains with libtorch. `runtime` starts it and does not link libtorch itself.
//!
//! With `--script FILE` it trains what `allot.export` wrote, else the models of this library.
//!
//! **What it does not know:** everything except training; see the library's `trainer`.

#[cfg(feature = "torch")]
mod script;
#[cfg(feature = "torch")]
mod torch;

use std::path::PathBuf;
use std::process::ExitCode;

use runtime::trainer::Make;

fn main() -> ExitCode {
    let given: Vec<_> = std::env::args_os().skip(1).collect();
    let make = match given.as_slice() {
        [] => own(),
        [flag, file] if flag == "--script" => scripted(file.into()),
        _ => {
            console::note!("error: expected no arguments, or --script FILE");
            return ExitCode::from(2);
        }
    };
    runtime::trainer::main(make)
}

#[cfg(feature = "torch")]
fn own() -> Make {
    Box::new(torch::trainer)
}

#[cfg(feature = "torch")]
fn scripted(file: PathBuf) -> Make {
    Box::new(move |spec, device, threads| {
        Ok(Box::new(script::Script::new(&file, spec, device, threads)?))
    })
}

#[cfg(not(feature = "torch"))]
fn own() -> Make {
    Box::new(runtime::train::trainer)
}

#[cfg(not(feature = "torch"))]
fn scripted(file: PathBuf) -> Make {
    Box::new(move |_, _, _| {
        Err(runtime::train::TrainError::Script {
            file: file.clone(),
            why: "this program was built without libtorch, so it cannot train it: build it with './allot runtime'"
                .to_owned(),
        })
    })
}
