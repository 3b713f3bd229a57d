//! The committed header is what the sources say. `QNTX_EMBED_WRITE_HEADER=1` (`make header`) writes it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::path::Path;

#[test]
fn the_committed_header_is_what_the_sources_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    // cbindgen follows the `mod` lines of this file through the folder.
    let builder = cbindgen::Builder::new().with_config(config).with_src(root.join("src/ffi/mod.rs"));
    let mut generated = Vec::new();
    builder.generate().unwrap().write(&mut generated);
    // Rust's "# Safety" chapters are for Rust's checker; C's reader has the header's front chapter instead.
    let generated = without_safety(&String::from_utf8(generated).unwrap());
    let path = root.join("include/qntx_embed.h");
    if std::env::var_os("QNTX_EMBED_WRITE_HEADER").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == generated, "include/qntx_embed.h is not what src/ffi says: run 'make header' and commit it");
}

fn without_safety(header: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut skipping = false;
    for line in header.lines() {
        if line.trim() == "// # Safety" {
            skipping = true;
            while kept.last().is_some_and(|l| l.trim() == "//") {
                kept.pop();
            }
        } else if !line.trim_start().starts_with("//") {
            skipping = false;
        }
        if !skipping {
            kept.push(line);
        }
    }
    kept.join("\n") + "\n"
}
