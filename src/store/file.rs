//! The database's file: that it is ours alone in this process, lies where locks work, and stays the one that was opened.
//!
//! POSIX locks belong to a process, not to a copy of SQLite: two copies in one process do not see each other's, and when
//! one of them closes the file, the other's are gone. Then both write, and the file is destroyed. (So nothing here opens the
//! file to look at it: closing it again would do the same.)

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Result, fail};

/// Which file, whatever its name: device and number on it.
type Identity = (u64, u64);

/// The files that stores of this process have open, and how many stores each. Locked while one is opened, because an
/// open file that is not in here is somebody else's.
static OPEN: Mutex<Option<HashMap<Identity, usize>>> = Mutex::new(None);

fn open_files() -> MutexGuard<'static, Option<HashMap<Identity, usize>>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The file of an open store. Dropped after the store's connections.
pub struct File {
    path: PathBuf,
    identity: Identity,
    /// Of a file that SQLite was told stays as it is.
    frozen: Option<Stamp>,
    name: String,
}

/// What shows that a file was written to: its size, seconds and nanoseconds of its last change.
type Stamp = (u64, i64, i64);

impl File {
    /// Opens the file with `open`, unless something else in this process has it open already.
    pub fn open<T>(path: &Path, name: &str, open: impl FnOnce() -> Result<T>) -> Result<(T, Self)> {
        let mut files = open_files();
        let ours = files.get_or_insert_default();
        if let Some(identity) = identity(path)
            && !ours.contains_key(&identity)
            && let Some(number) = descriptor_of(identity)
        {
            fail!(
                Store,
                "{name} is open in this process already (as file descriptor {number}), through another copy of SQLite or \
                 some other code; two copies in one process destroy each other's locks and then the file. Close it there \
                 first, give this store a file of its own, or let the other SQLite load vec0 as an extension"
            );
        }
        if let Some(kind) = network_file_system(path) {
            fail!(
                Store,
                "{name} lies on a network file system ({kind}), where SQLite's locks and shared memory do not work \
                 reliably; put it on a local disk"
            );
        }
        let opened = open()?;
        let Some(identity) = identity(path) else {
            fail!(Store, "{name} could not be opened: there is no such file after it was made");
        };
        *ours.entry(identity).or_insert(0) += 1;
        Ok((opened, Self { path: path.to_path_buf(), identity, frozen: None, name: name.to_owned() }))
    }

    /// From now on, [`check`](Self::check) also refuses a file that was written to.
    pub fn freeze(&mut self) {
        self.frozen = stamp(&self.path);
    }

    /// Bytes of the write-ahead log beside the file.
    pub fn log_bytes(&self) -> u64 {
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        fs::metadata(log).map_or(0, |m| m.len())
    }

    /// Refuses to go on where the path names another file than the one that was opened: what is written to that is
    /// lost, and what is read from it is old.
    pub fn check(&self) -> Result<()> {
        match identity(&self.path) {
            Some(now) if now == self.identity && self.frozen.is_some() && stamp(&self.path) != self.frozen => fail!(
                Store,
                "{}: the file was written to, which cannot be followed where no file can be made beside it; open it anew",
                self.name
            ),
            Some(now) if now == self.identity => Ok(()),
            Some(_) => fail!(Store, "{}: the file was replaced by another while it was open; open it anew", self.name),
            None => fail!(Store, "{}: the file was removed or renamed while it was open; open it anew", self.name),
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let mut files = open_files();
        let ours = files.get_or_insert_default();
        if let Some(count) = ours.get_mut(&self.identity) {
            *count -= 1;
            if *count == 0 {
                ours.remove(&self.identity);
            }
        }
    }
}

fn identity(path: &Path) -> Option<Identity> {
    fs::metadata(path).ok().map(|m| (m.dev(), m.ino()))
}

fn stamp(path: &Path) -> Option<Stamp> {
    fs::metadata(path).ok().map(|m| (m.size(), m.mtime(), m.mtime_nsec()))
}

/// A file descriptor of this process that is open on the file.
fn descriptor_of(wanted: Identity) -> Option<String> {
    // Linux has the first, macOS the second.
    let directory = ["/proc/self/fd", "/dev/fd"].iter().find_map(|d| fs::read_dir(d).ok())?;
    directory.flatten().find(|entry| identity(&entry.path()) == Some(wanted)).map(|entry| {
        let number = entry.file_name();
        number.to_string_lossy().into_owned()
    })
}

/// The kind of network file system that a path lies on. Only Linux says; `None` elsewhere, and for local ones.
fn network_file_system(path: &Path) -> Option<String> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // A path whose directory is missing is refused by SQLite in better words.
    let directory = fs::canonicalize(directory).ok()?;
    network_mount(&fs::read_to_string("/proc/self/mountinfo").ok()?, &directory)
}

/// In the words of proc(5): `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`, where `/mnt2` is the mount
/// point. The longest that has the directory in it is its own; of equal ones the last, which hides the others.
fn network_mount(mountinfo: &str, directory: &Path) -> Option<String> {
    const NETWORK: &[&str] = &[
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "afs",
        "davfs",
        "fuse.sshfs",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.gcsfuse",
    ];
    let mounts = mountinfo.lines().filter_map(|line| {
        let (mount, source) = line.split_once(" - ")?;
        let point = mount.split(' ').nth(4)?.replace("\\040", " ");
        directory.starts_with(&point).then_some((point.len(), source.split(' ').next()?))
    });
    let (_, kind) = mounts.max_by_key(|(length, _)| *length)?;
    NETWORK.contains(&kind).then(|| kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_file_system_is_known_by_its_mount() {
        let mounts = "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n\
                      40 22 0:38 / /home rw shared:2 - nfs4 server:/home rw,vers=4.2\n\
                      41 22 0:39 / /mnt/x\\040y rw - fuse.sshfs me@there: rw\n";
        let kind = |directory: &str| network_mount(mounts, Path::new(directory));
        assert_eq!(kind("/"), None);
        assert_eq!(kind("/homework"), None);
        assert_eq!(kind("/home/me").as_deref(), Some("nfs4"));
        assert_eq!(kind("/mnt/x y/z").as_deref(), Some("fuse.sshfs"));
    }
}
