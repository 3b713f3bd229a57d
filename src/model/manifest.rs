//! `qntx-embed.sha256.json`: the size and hash of every file of a model directory that is used.
//!
//! Whoever wants to know that a model is the one that was looked at writes the manifest then, and opens the model with
//! [`ModelOptions::require_manifest`](crate::ModelOptions::require_manifest): all files are then read and compared before
//! any of them is parsed, and what was compared is what is used. The manifest itself is no secret and not signed: keep it,
//! or the fingerprint, where those who could change the files cannot.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};

use super::files::{File, Files, hex, inside};
use super::{Content, Format, Model, Precision};
use crate::error::{Code, Error, Result, fail};

/// The manifest's name in the directory.
pub const NAME: &str = "qntx-embed.sha256.json";

/// A manifest lists some ten files; this is room for thousands.
const MOST_BYTES: u64 = 1 << 20;
const VERSION: u32 = 1;
/// Fewer bytes are not worth a thread.
const BYTES_FOR_THREADS: u64 = 1 << 22;

/// What a manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How many files are listed.
    pub files: usize,
    /// [`ModelInfo::fingerprint`](crate::ModelInfo::fingerprint) of the model, opened without options.
    pub fingerprint: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    version: u32,
    files: BTreeMap<String, Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    sha256: String,
    size: u64,
}

/// Writes the manifest of a directory, in place of one that is there: the files that the model is read from, and its ONNX
/// file where there is one. A directory that could not be opened gets none. It is written beside and renamed, so that
/// nobody sees half of it.
pub fn write(directory: &Path) -> Result<Summary> {
    let mut files = Files::open(directory)?;
    read_model(&mut files, Format::Auto)?.network(Precision::default())?;
    let fingerprint = files.fingerprint();
    match read_model(&mut files, Format::Onnx) {
        Err(e) if e.code() != Code::ModelNotFound => return Err(e),
        _ => {}
    }
    let entry =
        |(name, file): (&str, &File)| (name.to_owned(), Entry { sha256: hex(file.sha256()), size: file.size() as u64 });
    let manifest = Manifest { version: VERSION, files: files.used().map(entry).collect() };
    let mut json = serde_json::to_vec_pretty(&manifest)
        .map_err(|e| Error::new(Code::Internal, format!("the manifest could not be written as JSON: {e}")))?;
    json.push(b'\n');
    replace(directory, &json)
        .map_err(|e| Error::new(Code::Io, format!("{}: {NAME} cannot be written: {e}", files.name())))?;
    Ok(Summary { files: manifest.files.len(), fingerprint })
}

/// Compares a directory with its manifest, and reads the model that it then has. The errors are those of opening it with
/// [`ModelOptions::require_manifest`](crate::ModelOptions::require_manifest).
pub fn check(directory: &Path) -> Result<Summary> {
    let mut files = Files::open_checked(directory)?;
    read_model(&mut files, Format::Auto)?.network(Precision::default())?;
    let fingerprint = files.fingerprint();
    Ok(Summary { files: files.count(), fingerprint })
}

/// Reads all that opening the model would.
fn read_model(files: &mut Files, format: Format) -> Result<Content> {
    let (_, _, source) = Model::read(files, format, None)?;
    source.read(files)
}

/// Reads every file that the manifest lists; an error names all that are not as listed.
pub(super) fn load(directory: &Path, name: &str) -> Result<BTreeMap<String, File>> {
    let listed: Vec<(String, Entry)> = read(directory, name)?.files.into_iter().collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let take = || listed.get(next.fetch_add(1, Ordering::Relaxed));
        std::iter::from_fn(take).map(|(file, entry)| (file, compared(directory, file, entry))).collect::<Vec<_>>()
    };
    let bytes = listed.iter().fold(0u64, |sum, (_, entry)| sum.saturating_add(entry.size));
    let threads = match bytes < BYTES_FOR_THREADS {
        true => 1,
        false => std::thread::available_parallelism().map_or(1, usize::from).min(listed.len()),
    };
    let results = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut results = work();
        for other in others {
            let Ok(others) = other.join() else { fail!(Internal, "a hashing thread panicked") };
            results.extend(others);
        }
        Ok(results)
    })?;
    let (mut files, mut wrong) = (BTreeMap::new(), BTreeMap::new());
    for (file, result) in results {
        match result {
            Ok(read) => drop(files.insert(file.clone(), read)),
            Err(difference) => drop(wrong.insert(file, difference)),
        }
    }
    if !wrong.is_empty() {
        let wrong: Vec<String> = wrong.into_iter().map(|(file, difference)| format!("{file} {difference}")).collect();
        fail!(ModelInvalid, "{name} is not as its {NAME} says: {}", wrong.join("; "));
    }
    Ok(files)
}

fn read(directory: &Path, name: &str) -> Result<Manifest> {
    let invalid = |why: &dyn std::fmt::Display| Error::new(Code::ModelInvalid, format!("{name}: {NAME} {why}"));
    let path = directory.join(NAME);
    match path.metadata() {
        Ok(m) if m.is_file() => {}
        Ok(_) => return Err(invalid(&"is not a file")),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => fail!(
            ModelNotFound,
            "{name}: {NAME} is missing; 'qntx-embed verify --write {}' writes it from the files that are there now",
            directory.display()
        ),
        Err(e) => fail!(Io, "{name}: {NAME} cannot be read: {e}"),
    }
    let mut bytes = Vec::new();
    std::fs::File::open(&path)
        .and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|e| Error::new(Code::Io, format!("{name}: {NAME} cannot be read: {e}")))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(invalid(&format!("is larger than {MOST_BYTES} bytes")));
    }
    // First by itself: a later version may have other fields.
    #[derive(Deserialize)]
    struct Version {
        version: u64,
    }
    let unreadable = |e: serde_json::Error| invalid(&format!("cannot be read: {e}"));
    let Version { version } = serde_json::from_slice(&bytes).map_err(unreadable)?;
    if version != u64::from(VERSION) {
        return Err(invalid(&format!("has version {version}; this version of the library reads {VERSION}")));
    }
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(unreadable)?;
    for (file, entry) in &manifest.files {
        if file.is_empty() || !inside(file) {
            return Err(invalid(&format!("lists '{file}', which leads out of the directory")));
        }
        if entry.sha256.len() != 64 || !entry.sha256.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return Err(invalid(&format!("has '{}' for {file}; expected 64 lowercase hex digits", entry.sha256)));
        }
    }
    Ok(manifest)
}

/// Reads a file, or says in what it differs from its entry. Its size is looked at first: nothing of another size is read.
fn compared(directory: &Path, file: &str, entry: &Entry) -> Result<File, String> {
    let path = directory.join(file);
    let unreadable = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => "is missing".to_owned(),
        _ => format!("cannot be read: {e}"),
    };
    let metadata = path.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err("is not a file".into());
    }
    let other_size = |found: u64| format!("has {found} bytes, not {}", entry.size);
    if metadata.len() != entry.size {
        return Err(other_size(metadata.len()));
    }
    let mut bytes = Vec::new();
    let room = usize::try_from(entry.size).ok().filter(|&size| bytes.try_reserve_exact(size).is_ok());
    if room.is_none() {
        return Err(format!("has {} bytes, more than there is memory for", entry.size));
    }
    let opened = std::fs::File::open(&path).map_err(unreadable)?;
    // It may have changed since.
    opened.take(entry.size.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 != entry.size {
        return Err(other_size(bytes.len() as u64));
    }
    let read = File::new(bytes);
    let found = hex(read.sha256());
    match found == entry.sha256 {
        true => Ok(read),
        false => Err(format!("has SHA-256 {found}, not {}", entry.sha256)),
    }
}

/// Puts a new manifest in the old one's place.
fn replace(directory: &Path, content: &[u8]) -> std::io::Result<()> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let temporary = directory.join(format!(".{NAME}.{}.{number}", std::process::id()));
    let written = (|| {
        let mut file = std::fs::File::create_new(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&temporary, directory.join(NAME))
    })();
    if written.is_err() {
        // The error is the one of the writing.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}
