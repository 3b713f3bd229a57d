//! The files of a model directory: each is read once, and what was read is what is hashed and used.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::error::{Code, Error, Result, fail};

/// A model directory and what was read from it so far.
pub struct Files {
    directory: PathBuf,
    read: BTreeMap<String, Arc<Vec<u8>>>,
}

impl Files {
    pub fn open(directory: &Path) -> Result<Self> {
        match directory.metadata() {
            Ok(m) if m.is_dir() => Ok(Self { directory: directory.to_path_buf(), read: BTreeMap::new() }),
            Ok(_) => fail!(
                ModelNotFound,
                "model path '{}' is a file; expected a directory as sentence-transformers publishes it",
                directory.display()
            ),
            Err(e) => fail!(
                ModelNotFound,
                "model directory '{}' cannot be opened: {e}; 'make setup' fetches all-MiniLM-L6-v2 to models/",
                directory.display()
            ),
        }
    }

    /// How messages name the directory.
    pub fn name(&self) -> String {
        format!("model directory '{}'", self.directory.display())
    }

    /// The last part of the directory's name, which is what people call the model.
    pub fn model_name(&self) -> String {
        let canonical = self.directory.canonicalize().unwrap_or_else(|_| self.directory.clone());
        canonical.file_name().map_or_else(|| "model".into(), |n| n.to_string_lossy().into_owned())
    }

    /// A file that must be there.
    pub fn read(&mut self, file: &str) -> Result<Arc<Vec<u8>>> {
        match self.read_optional(file)? {
            Some(bytes) => Ok(bytes),
            None => fail!(ModelNotFound, "{}: {file} is missing", self.name()),
        }
    }

    /// A file that may be there.
    pub fn read_optional(&mut self, file: &str) -> Result<Option<Arc<Vec<u8>>>> {
        if let Some(bytes) = self.read.get(file) {
            return Ok(Some(Arc::clone(bytes)));
        }
        // modules.json names subdirectories; it must not lead out of the model.
        if !Path::new(file).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir)) {
            fail!(ModelInvalid, "{}: '{file}' leads out of the directory", self.name());
        }
        match std::fs::read(self.directory.join(file)) {
            Ok(bytes) => {
                let bytes = Arc::new(bytes);
                self.read.insert(file.to_owned(), Arc::clone(&bytes));
                Ok(Some(bytes))
            }
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(e) => Err(Error::new(Code::Io, format!("{}: {file} cannot be read: {e}", self.name()))),
        }
    }

    /// SHA-256 over names, sizes and contents of all that was read, as hex.
    pub fn fingerprint(&self) -> String {
        let mut whole = Sha256::new();
        for (name, bytes) in &self.read {
            whole.update((name.len() as u64).to_le_bytes());
            whole.update(name);
            whole.update((bytes.len() as u64).to_le_bytes());
            whole.update(Sha256::digest(bytes.as_slice()));
        }
        whole.finalize().iter().map(|b| format!("{b:02x}")).collect()
    }
}
