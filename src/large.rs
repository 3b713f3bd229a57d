//! Large allocations, in large pages where the system has them: a page of 4 KB takes the system some microseconds when it is
//! touched for the first time, and a model has tens of thousands of them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// From here on the C library's allocator gives each allocation a mapping of its own (`mallopt`, M_MMAP_THRESHOLD), so
/// that nothing else of the process lies in its pages.
const OWN_MAPPING: usize = 32 << 20;

/// An empty vector with room for so many values.
pub fn with_capacity<T: Copy>(capacity: usize) -> Vec<T> {
    let mut values = Vec::<T>::with_capacity(capacity);
    let bytes = size_of_val(values.spare_capacity_mut());
    if bytes >= OWN_MAPPING {
        advise(values.as_mut_ptr().cast(), bytes);
    }
    values
}

/// What is in a file.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let size = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    if size >= OWN_MAPPING {
        bytes = with_capacity(size);
    }
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(target_os = "linux")]
fn advise(start: *mut u8, bytes: usize) {
    /// Of x86-64, and of arm64 with pages of 4 KB. With others less of the range has the advice, or none.
    const LARGE_PAGE: usize = 2 << 20;
    let skipped = start.align_offset(LARGE_PAGE);
    if skipped < bytes {
        let length = (bytes - skipped) / LARGE_PAGE * LARGE_PAGE;
        // SAFETY: the range lies within an allocation of ours, starts at a page and has whole ones. This advice changes what
        // the system keeps the bytes in, never what they are; where it is refused nothing changes.
        let _ = unsafe { libc::madvise(start.wrapping_add(skipped).cast(), length, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn advise(_: *mut u8, _: usize) {}
