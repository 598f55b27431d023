//! Tells the linker where libtorch lies, which tch's own build script does not pass on, and keeps
//! CUDA if it is there.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-env-changed=DEP_TCH_LIBTORCH_LIB");
    let Ok(lib) = std::env::var("DEP_TCH_LIBTORCH_LIB") else {
        return;
    };
    println!("cargo:rerun-if-changed={lib}");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{lib}");
    // Nothing calls into this library: it registers itself when it is loaded. The linker would
    // drop it as unused, and libtorch then sees no GPU.
    let cuda = Path::new(&lib).join("libtorch_cuda.so");
    if cuda.exists() {
        println!(
            "cargo:rustc-link-arg=-Wl,--no-as-needed,{},--as-needed",
            cuda.display()
        );
    }
}
