//! Passes the location of libtorch to the linker, which tch's own build script does not do, and
//! links CUDA if it exists: only for `runtime-trainer`, tests and benches, which use it.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-env-changed=DEP_TCH_LIBTORCH_LIB");
    let Ok(lib) = std::env::var("DEP_TCH_LIBTORCH_LIB") else {
        return;
    };
    println!("cargo:rerun-if-changed={lib}");
    // Another libtorch may be installed where CBC is (Debian's python3-torch): the linker looks here
    // first, because a package's own folders stand before those of what it uses.
    println!("cargo:rustc-link-search=native={lib}");
    let cuda = Path::new(&lib).join("libtorch_cuda.so");
    for target in ["bin=runtime-trainer", "tests", "benches"] {
        let target = format!("rustc-link-arg-{target}=");
        println!("cargo:{target}-Wl,-rpath,{lib}");
        // Nothing calls this library: it registers itself when it is loaded. The linker would drop
        // it as unused, and libtorch would then find no GPU.
        if cuda.exists() {
            println!(
                "cargo:{target}-Wl,--no-as-needed,{},--as-needed",
                cuda.display()
            );
        }
    }
}
