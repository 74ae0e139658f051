//! How the extension module is linked.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        // A build with a profile knows which functions are never called. They stay together, so that the pages
        // between those that are called need not be in memory. Linkers that do not know it say so and go on.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,keep-text-section-prefix");
    }
}
