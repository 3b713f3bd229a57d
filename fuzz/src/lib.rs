//! A model directory of which one file is any bytes.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use qntx_embed::manifest;
use tempfile::TempDir;

static MODEL: LazyLock<TempDir> = LazyLock::new(|| {
    let directory = TempDir::new().expect("a temporary directory");
    copy(&published(), directory.path());
    directory
});

fn published() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tiny-mean")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in from.read_dir().expect("a directory").flatten() {
        let place = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &place),
            false => drop(std::fs::copy(entry.path(), place).expect("a file")),
        }
    }
}

/// Reads and checks the directory with these bytes in `file`, and builds its network, without ONNX Runtime: it is read or
/// refused, and what was read is the same when it is read again.
pub fn read_with(file: &str, bytes: &[u8]) {
    let place = MODEL.path().join(file);
    std::fs::write(&place, bytes).expect("a file");
    if manifest::write(MODEL.path()).is_ok() {
        manifest::check(MODEL.path()).expect("what was written is what is there");
    }
    std::fs::copy(published().join(file), place).expect("a file");
}
