//! What the shared library's linker is told and rustc does not say: the SONAME, and that it stays loaded.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        // The number is that of the ABI (QNTX_EMBED_ABI_VERSION), not of the release.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libqntx_embed.so.0");
        // ONNX Runtime is never unloaded, and has threads and functions of this library.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
