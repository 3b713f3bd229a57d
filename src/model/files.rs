//! The files of a model directory: each is read once, and what was read is what is hashed and used.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

use super::manifest;
use crate::error::{Result, fail};

/// A model directory and what was read from it so far.
pub struct Files {
    directory: PathBuf,
    read: BTreeMap<String, File>,
    /// Whether all that its manifest lists was read and is as listed; nothing else may then be used.
    checked: bool,
}

/// A file that was read.
pub struct File {
    bytes: Arc<Vec<u8>>,
    sha256: OnceLock<[u8; 32]>,
    /// Whether anybody has asked for it: a manifest may list more than one way of running a model needs.
    used: bool,
}

impl File {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes: Arc::new(bytes), sha256: OnceLock::new(), used: false }
    }

    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Computed once.
    pub fn sha256(&self) -> &[u8; 32] {
        self.sha256.get_or_init(|| Sha256::digest(self.bytes.as_slice()).into())
    }
}

impl Files {
    pub fn open(directory: &Path) -> Result<Self> {
        match directory.metadata() {
            Ok(m) if m.is_dir() => {
                Ok(Self { directory: directory.to_path_buf(), read: BTreeMap::new(), checked: false })
            }
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

    /// Reads all files that the directory's manifest lists, and refuses it where one is not as listed.
    pub fn open_checked(directory: &Path) -> Result<Self> {
        let files = Self::open(directory)?;
        let read = manifest::load(directory, &files.name())?;
        Ok(Self { read, checked: true, ..files })
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

    /// Whether there is such a file. Where that is not clear, yes: reading it says why.
    pub fn exists(&self, file: &str) -> bool {
        self.read.contains_key(file) || !inside(file) || self.directory.join(file).try_exists().unwrap_or(true)
    }

    /// A file that may be there.
    pub fn read_optional(&mut self, file: &str) -> Result<Option<Arc<Vec<u8>>>> {
        if let Some(file) = self.read.get_mut(file) {
            file.used = true;
            return Ok(Some(Arc::clone(&file.bytes)));
        }
        if !inside(file) {
            fail!(ModelInvalid, "{}: '{file}' leads out of the directory", self.name());
        }
        let path = self.directory.join(file);
        if self.checked {
            if !path.try_exists().unwrap_or(true) {
                return Ok(None);
            }
            fail!(
                ModelInvalid,
                "{}: {file} would be used, but {} does not list it; remove it, or write the manifest again",
                self.name(),
                manifest::NAME
            );
        }
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            Err(e) => fail!(Io, "{}: {file} cannot be read: {e}", self.name()),
        };
        let read = File { used: true, ..File::new(bytes) };
        let bytes = Arc::clone(&read.bytes);
        self.read.insert(file.to_owned(), read);
        Ok(Some(bytes))
    }

    /// How many files were read.
    pub fn count(&self) -> usize {
        self.read.len()
    }

    /// The files that were asked for, in the order of their names.
    pub fn used(&self) -> impl Iterator<Item = (&str, &File)> {
        self.read.iter().filter(|(_, file)| file.used).map(|(name, file)| (name.as_str(), file))
    }

    /// SHA-256 over names, sizes and contents of all that was used, as hex.
    pub fn fingerprint(&self) -> String {
        let mut whole = Sha256::new();
        for (name, file) in self.used() {
            whole.update((name.len() as u64).to_le_bytes());
            whole.update(name);
            whole.update((file.size() as u64).to_le_bytes());
            whole.update(file.sha256());
        }
        hex(&whole.finalize().into())
    }
}

/// Whether a file's name stays in the directory. (A link may lead elsewhere: whoever made the directory made it.)
pub fn inside(file: &str) -> bool {
    Path::new(file).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir))
}

/// A hash as people write it.
pub fn hex(hash: &[u8; 32]) -> String {
    hash.iter().map(|b| format!("{b:02x}")).collect()
}
