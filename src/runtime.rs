//! Finds, checks and loads ONNX Runtime; the only place that knows where it lies.
//!
//! Looked for in this order: the path in the options, `QNTX_EMBED_ONNXRUNTIME`, beside this library and where
//! `make install` puts it, the system's loader. A path that was named is the only one tried. A process holds one ONNX Runtime and never unloads it.

use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use libloading::{Library, Symbol};
use ort::environment::Environment;

use crate::ending;
use crate::error::{Code, Error, Result, fail};

/// Names the file when the options do not.
pub const ENVIRONMENT_VARIABLE: &str = "QNTX_EMBED_ONNXRUNTIME";

/// The oldest ONNX Runtime whose C API has all that is used here (operators that work in place came with it).
const OLDEST: u32 = ort::MINOR_VERSION;

/// Where it may lie, seen from the file that this code is in: beside it, and in `lib/qntx_embed`, which is `make install`'s
/// choice so that it is in no other program's way, seen from `lib` and from `bin`.
const INSTALLED: [&str; 3] = ["", "qntx_embed", "../lib/qntx_embed"];

/// A loaded ONNX Runtime. Cloning is cheap; all clones are the same one.
#[derive(Clone)]
pub struct Runtime {
    pub environment: Environment,
    pub version: String,
    pub path: PathBuf,
}

static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);

/// The process's ONNX Runtime, loaded at the first call. `explicit` is a library file or a directory that has one.
pub fn load(explicit: Option<&Path>) -> Result<Runtime> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = loaded.as_ref() {
        if let Some(path) = explicit {
            same_library(path, runtime)?;
        }
        return Ok(runtime.clone());
    }
    let (path, version) = find(explicit)?;
    let no_telemetry = NoTelemetry::set();
    let builder = ort::init_from(&path).map_err(|e| Error::new(Code::RuntimeNotFound, e.to_string()))?;
    let environment = builder
        .with_name("qntx_embed")
        .with_telemetry(false)
        // Without a logger of ours ONNX Runtime writes to the host's stderr; its errors reach us as statuses anyway.
        .with_logger(Arc::new(|_, _, _, _, _| {}))
        .build()
        .map_err(|e| Error::new(Code::RuntimeNotFound, format!("ONNX Runtime {version} did not start: {e}")))?;
    drop(no_telemetry);
    ending::watch();
    Ok(loaded.insert(Runtime { environment, version, path }).clone())
}

/// Official builds of ONNX Runtime, from 1.29 on, report to their maker when the environment is made, which is before
/// `with_telemetry(false)` counts, and keep an identifier in the user's cache directory. Only this variable stops all of it
/// (https://github.com/microsoft/onnxruntime/pull/27379), and it is read at that moment alone: the host's environment is as
/// it was when this is dropped. A value that the user has given stands.
struct NoTelemetry {
    ours: bool,
}

impl NoTelemetry {
    const VARIABLE: &str = "ORT_DISABLE_TELEMETRY";

    fn set() -> Self {
        let ours = std::env::var_os(Self::VARIABLE).is_none();
        if ours {
            // SAFETY: Rust's own readers of the environment are locked out. Readers in C may run beside it: the C library
            // replaces the list of variables by a copy with this one at its end and leaves values where they are, and the list
            // that the process was started with is never freed. A copy that the host's own setenv has made may be, under a
            // reader of that moment, as with every setenv in a process with threads: such a host sets this variable itself
            // before, and nothing is set here.
            unsafe { std::env::set_var(Self::VARIABLE, "1") };
        }
        Self { ours }
    }
}

impl Drop for NoTelemetry {
    fn drop(&mut self) {
        if self.ours {
            // SAFETY: as above; nothing is freed, and the last of the list is taken off by one store of null.
            unsafe { std::env::remove_var(Self::VARIABLE) };
        }
    }
}

fn same_library(wanted: &Path, loaded: &Runtime) -> Result<()> {
    let canonical = |p: &Path| p.canonicalize().unwrap_or_else(|_| p.to_path_buf());
    let candidates = if wanted.is_dir() { libraries_in(wanted) } else { vec![wanted.to_path_buf()] };
    if candidates.iter().any(|c| canonical(c) == canonical(&loaded.path)) {
        return Ok(());
    }
    fail!(
        InvalidArgument,
        "ONNX Runtime '{}' cannot be used: this process already runs {} from '{}', and a process can hold only one",
        wanted.display(),
        loaded.version,
        loaded.path.display()
    )
}

fn find(explicit: Option<&Path>) -> Result<(PathBuf, String)> {
    let mut tried = Vec::new();
    let named = explicit.map(Path::to_path_buf).or_else(|| {
        let from_environment = std::env::var_os(ENVIRONMENT_VARIABLE).filter(|v| !v.is_empty());
        from_environment.map(PathBuf::from)
    });
    let candidates = match &named {
        Some(path) if path.is_dir() => libraries_in(path),
        Some(path) => vec![path.clone()],
        None => {
            let own = own_directory();
            let near = own.iter().flat_map(|own| INSTALLED.iter().flat_map(|place| libraries_in(&own.join(place))));
            near.chain(system_names()).collect()
        }
    };
    if candidates.is_empty() {
        tried.push(format!("'{}' (a directory without {})", named.unwrap_or_default().display(), file_name()));
    }
    let mut too_old = false;
    for path in candidates {
        match version_of(&path) {
            Ok(version) if minor(&version).is_some_and(|m| m >= OLDEST) => return Ok((path, version)),
            Ok(version) => {
                too_old = true;
                tried.push(format!("'{}' (version {version}, too old)", path.display()));
            }
            Err(why) => tried.push(format!("'{}' ({why})", path.display())),
        }
    }
    let code = if too_old { Code::RuntimeVersion } else { Code::RuntimeNotFound };
    let beside = own_directory().map_or_else(|| "the library".into(), |d| format!("'{}'", d.display()));
    Err(Error::new(
        code,
        format!(
            "no usable ONNX Runtime (1.{OLDEST} or newer is needed); tried: {}. Run 'make setup', put {} into {beside}, \
             set {ENVIRONMENT_VARIABLE}, or pass its path in the options (--onnxruntime FILE)",
            tried.join("; "),
            file_name()
        ),
    ))
}

fn minor(version: &str) -> Option<u32> {
    let mut parts = version.split('.');
    (parts.next()? == "1").then_some(())?;
    parts.next()?.parse().ok()
}

/// Opens the library only to read its version; the loader keeps it, so that `ort` opens the same one.
fn version_of(path: &Path) -> Result<String, String> {
    if path.components().count() > 1 && !path.exists() {
        return Err("no such file".into());
    }
    // SAFETY: loading runs the library's initialisers. The path was named by the user, lies beside this library or
    // is resolved by the system's loader: the same trust as for linking with it.
    let library = unsafe { Library::new(path) }.map_err(|e| loader_says(&e))?;
    // SAFETY: `OrtGetApiBase` has had this type since ONNX Runtime 1.0 (onnxruntime_c_api.h).
    let base: Symbol<unsafe extern "system" fn() -> *const ort::sys::OrtApiBase> =
        unsafe { library.get(b"OrtGetApiBase\0") }.map_err(|_| "not an ONNX Runtime library")?;
    // SAFETY: the function takes nothing and returns a static structure; null is checked.
    let base = unsafe { base().as_ref() }.ok_or("OrtGetApiBase gave nothing")?;
    // SAFETY: `GetVersionString` returns a static, NUL-terminated string.
    let version = unsafe { CStr::from_ptr((base.GetVersionString)()) }.to_string_lossy().into_owned();
    // ONNX Runtime starts threads and registers exit handlers: unloading it again would be unsound.
    std::mem::forget(library);
    Ok(version)
}

/// The loader's own words, on one line; they are the error's source.
fn loader_says(e: &libloading::Error) -> String {
    let source = std::error::Error::source(e).map(|s| format!(": {s}")).unwrap_or_default();
    format!("{e}{source}").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn file_name() -> &'static str {
    if cfg!(target_os = "macos") { "libonnxruntime.dylib" } else { "libonnxruntime.so" }
}

fn system_names() -> Vec<PathBuf> {
    let names: &[&str] = if cfg!(target_os = "macos") {
        &["libonnxruntime.dylib", "libonnxruntime.1.dylib"]
    } else {
        &["libonnxruntime.so", "libonnxruntime.so.1"]
    };
    names.iter().map(PathBuf::from).collect()
}

/// ONNX Runtime libraries in a directory, the newest version first.
fn libraries_in(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = directory.read_dir() else { return Vec::new() };
    let is_runtime = |name: &str| {
        (name.starts_with("libonnxruntime.so") || name.starts_with("libonnxruntime."))
            && !name.contains("_providers")
            && (name.contains(".so") || name.ends_with(".dylib"))
    };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.file_name().and_then(|n| n.to_str()).is_some_and(is_runtime))
        .collect();
    let version = |p: &PathBuf| -> Vec<u32> {
        let name = p.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        name.split('.').filter_map(|part| part.parse().ok()).collect()
    };
    found.sort_by_key(|p| std::cmp::Reverse(version(p)));
    found
}

/// The directory of the file that this code was loaded from: `libqntx_embed.so`, or the program it is linked into.
fn own_directory() -> Option<PathBuf> {
    let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: the address is one of this very function; `info` is a valid place, and all-zero is a valid Dl_info.
    let info = unsafe {
        if libc::dladdr(own_directory as *const libc::c_void, info.as_mut_ptr()) == 0 {
            return None;
        }
        info.assume_init()
    };
    if info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: dladdr gave a NUL-terminated path that lives as long as the object stays loaded.
    let file = unsafe { CStr::from_ptr(info.dli_fname) };
    let file = Path::new(std::ffi::OsStr::new(file.to_str().ok()?));
    // A program's own name may be relative to a directory that it has left since; the link in /proc is not.
    let file = file.canonicalize().ok().or_else(|| std::env::current_exe().ok())?;
    file.parent().map(Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_numbers() {
        assert_eq!(minor("1.32.0"), Some(32));
        assert_eq!(minor("1.9.1"), Some(9));
        assert_eq!(minor("2.0.0"), None);
        assert_eq!(minor("banana"), None);
    }

    #[test]
    fn the_newest_library_of_a_directory_comes_first() {
        let dir = tempfile::tempdir().expect("temporary directory");
        for name in
            ["libonnxruntime.so.1.9.0", "libonnxruntime.so.1.32.0", "libonnxruntime_providers_shared.so", "x.so"]
        {
            std::fs::write(dir.path().join(name), b"").expect("file");
        }
        let names: Vec<_> = libraries_in(dir.path()).iter().map(|p| p.file_name().map(|n| n.to_owned())).collect();
        assert_eq!(names, [Some("libonnxruntime.so.1.32.0".into()), Some("libonnxruntime.so.1.9.0".into())]);
    }
}
