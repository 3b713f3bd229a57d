//! The resident indexes: vectors and what filters ask for, in memory, one index for each model and size of vectors.
//!
//! A search takes its snapshot of the database under a lock that no index changes under, and where one is behind that
//! snapshot, brings it forward first. `embedding_state` says whether anything was written, by this process or another, and
//! the revision of a row whether that is new. So writers do not wait for searches: they only say what they have deleted.
//!
//! An index is built when other indexes have taken as long for their answers as building it takes: a program that
//! searches once never does, and one that searches often has lost at most as much again.

mod deletions;
mod loaded;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction};

use self::deletions::Deletions;
use self::loaded::{Loaded, Moment};
use super::filter::Facts;
use super::vectors::Space;
use super::write::{Failure, Written};
use crate::error::Result;
use crate::index::{Found, Index, Request};
use crate::log::{Level, Log};

/// What indexes may take together where nothing else is asked for: more than a million rows of 384 dimensions.
const DEFAULT_MAX_BYTES: usize = 1 << 31;
/// Between two reports of progress.
const TELL: Duration = Duration::from_millis(100);

/// Told how many rows of how many an index has, while it is built.
pub type Progress<'a> = dyn Fn(usize, usize) + 'a;

/// The resident indexes of a store.
pub struct Resident {
    max_bytes: usize,
    processors: usize,
    /// Searches that are in an index now: they share the processors.
    searching: AtomicUsize,
    loaded: RwLock<Vec<Loaded>>,
    deletions: Mutex<Deletions>,
    debts: Mutex<Vec<Debt>>,
    /// Held while an index is built; whoever does not get it takes another index.
    building: Mutex<()>,
    log: Log,
}

/// What speaks for an index that is not there, and against it.
struct Debt {
    fingerprint: String,
    dimensions: usize,
    /// How long other indexes took in its place.
    micros: u64,
    /// So many rows did not fit into so many bytes.
    refused: Option<(u64, usize)>,
}

/// How large an index is.
pub struct Size {
    pub rows: u64,
    pub bytes: u64,
}

/// The indexes as of one moment of the database; they stay so until this is dropped.
pub struct View<'a> {
    resident: &'a Resident,
    moment: Moment,
    loaded: RwLockReadGuard<'a, Vec<Loaded>>,
}

/// An index to search in, as of the moment of its [`View`].
pub enum Memory<'a> {
    /// One that all searches use, by its place.
    Shared(View<'a>, usize),
    /// One that was built just now.
    Own(&'a Resident, Loaded),
}

impl Resident {
    /// No index yet. They may take so many bytes together; 0 is the default.
    pub fn new(max_bytes: usize, log: &Log) -> Self {
        Self {
            max_bytes: if max_bytes == 0 { DEFAULT_MAX_BYTES } else { max_bytes },
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            searching: AtomicUsize::new(0),
            loaded: RwLock::new(Vec::new()),
            deletions: Mutex::new(Deletions::default()),
            debts: Mutex::new(Vec::new()),
            building: Mutex::new(()),
            log: log.clone(),
        }
    }

    pub fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// Begins a transaction, and gives the indexes as of its snapshot.
    pub fn view<'a>(&'a self, connection: &'a Connection) -> Result<(Transaction<'a>, View<'a>), Failure> {
        // The lock comes before the snapshot, so no index is ever newer than that.
        let loaded = self.read();
        let (transaction, moment) = snapshot(connection)?;
        if loaded.iter().all(|one| one.moment() == moment) {
            return Ok((transaction, View { resident: self, moment, loaded }));
        }
        drop((transaction, loaded));
        let mut loaded = self.write();
        let (transaction, moment) = snapshot(connection)?;
        self.bring(&mut loaded, &transaction, moment)?;
        Ok((transaction, View { resident: self, moment, loaded: RwLockWriteGuard::downgrade(loaded) }))
    }

    /// Tells what a transaction has deleted. To be called in the order of the transactions.
    pub fn written(&self, written: Written) {
        if !written.deleted.is_empty() {
            self.deletions().add(written);
        }
    }

    /// Says that another index took so long because that of this space was not there.
    pub fn owes(&self, space: &Space, micros: u64) {
        self.debt(space, |debt| debt.micros = debt.micros.saturating_add(micros));
    }

    /// The size of a space's index; `None` where there is none.
    pub fn size(&self, fingerprint: &str, dimensions: usize) -> Option<Size> {
        self.read()
            .iter()
            .find(|one| one.is_of(fingerprint, dimensions))
            .map(|one| Size { rows: one.index().len() as u64, bytes: one.bytes() as u64 })
    }

    /// Brings all indexes to a moment. One that has no row any more is let go, and so is one that has no room.
    fn bring(&self, all: &mut Vec<Loaded>, connection: &Connection, moment: Moment) -> Result<(), Failure> {
        let gone: Vec<Option<Vec<i64>>> = {
            let mut deletions = self.deletions();
            let gone = all.iter().map(|one| deletions.between(one.moment(), moment)).collect();
            deletions.forget(moment.revision);
            gone
        };
        let mut bytes: usize = all.iter().map(Loaded::bytes).sum();
        // What fails is not half there: it is gone.
        for (mut one, gone) in std::mem::take(all).into_iter().zip(gone) {
            bytes -= one.bytes();
            let room = self.max_bytes.saturating_sub(bytes);
            if !one.bring(connection, moment, gone, room)? {
                let rows = one.index().len() as u64;
                self.debt(one.space(), |debt| debt.refused = Some((rows, room)));
            } else if !one.index().is_empty() {
                bytes += one.bytes();
                all.push(one);
            }
        }
        Ok(())
    }

    /// Builds the index of a space as of the connection's snapshot; `None` where it is not worth it yet (unless it is wanted
    /// `now`), has no room, or another search builds one.
    fn build(
        &self,
        connection: &Connection,
        space: &Space,
        moment: Moment,
        now: bool,
        progress: Option<&Progress<'_>>,
    ) -> Result<Option<Loaded>, Failure> {
        let (micros, refused) = self.debt(space, |debt| (debt.micros, debt.refused));
        if !now && micros == 0 {
            return Ok(None);
        }
        let _alone = match self.building.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(None),
        };
        let (taken, there) = {
            let all = self.read();
            let there = all.iter().any(|one| one.is_of(&space.fingerprint, space.dimensions));
            (all.iter().map(Loaded::bytes).sum::<usize>(), there)
        };
        let rows = loaded::rows(connection, space)?;
        let room = self.max_bytes.saturating_sub(taken);
        let least = Index::<Facts>::bytes_per_row(space.dimensions) as u64 * rows;
        let fits = least <= room as u64 && refused.is_none_or(|(many, bytes)| rows < many || room > bytes);
        if there || rows == 0 || (!now && micros < price(rows, space.dimensions)) {
            return Ok(None);
        }
        if !fits {
            if refused.is_none() {
                self.refuse(space, rows, room);
            }
            return Ok(None);
        }
        let (began, total) = (Instant::now(), usize::try_from(rows).unwrap_or(usize::MAX));
        let (mut last, mut told) = (Instant::now(), false);
        let mut tell = |done: usize| {
            if let Some(progress) = progress
                && last.elapsed() >= TELL
            {
                progress(done, total);
                (last, told) = (Instant::now(), true);
            }
        };
        let built = Loaded::build(connection, space, moment, room, &mut tell)?;
        if let Some(progress) = progress.filter(|_| told && built.is_some()) {
            progress(total, total);
        }
        match &built {
            Some(index) => {
                self.log.write(Level::Info, || {
                    let (bytes, took) = (index.bytes(), began.elapsed().as_millis());
                    format!("{} was built: {rows} rows, {bytes} bytes, {took} ms", name_of(space))
                });
                self.debt(space, |debt| (debt.micros, debt.refused) = (0, None));
            }
            None => self.refuse(space, rows, room),
        }
        Ok(built)
    }

    /// Notes that so many rows have no room, so that this is looked at again when there are fewer, or more room.
    fn refuse(&self, space: &Space, rows: u64, room: usize) {
        // One byte asks for nothing in memory.
        if self.max_bytes > 1 {
            self.log.write(Level::Warning, || {
                let name = name_of(space);
                format!("{name} has no room: {rows} rows do not fit into {room} bytes, and searches take longer")
            });
        }
        self.debt(space, |debt| (debt.micros, debt.refused) = (0, Some((rows, room))));
    }

    fn debt<T>(&self, space: &Space, look: impl FnOnce(&mut Debt) -> T) -> T {
        let mut debts = self.debts.lock().unwrap_or_else(PoisonError::into_inner);
        let known = |debt: &Debt| debt.dimensions == space.dimensions && debt.fingerprint == space.fingerprint;
        let place = debts.iter().position(known).unwrap_or_else(|| {
            let (fingerprint, dimensions) = (space.fingerprint.clone(), space.dimensions);
            debts.push(Debt { fingerprint, dimensions, micros: 0, refused: None });
            debts.len() - 1
        });
        look(&mut debts[place])
    }

    fn read(&self) -> RwLockReadGuard<'_, Vec<Loaded>> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Vec<Loaded>> {
        self.loaded.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn deletions(&self) -> MutexGuard<'_, Deletions> {
        self.deletions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name_of(space: &Space) -> String {
    format!("the index in memory of model {} with {} dimensions", space.fingerprint, space.dimensions)
}

impl<'a> View<'a> {
    /// The index of a space, where there is one, or where it is worth building now; see [`Resident::build`].
    pub fn into_memory(
        self,
        connection: &Connection,
        space: &Space,
        now: bool,
        progress: Option<&Progress<'_>>,
    ) -> Result<Option<Memory<'a>>, Failure> {
        let known = |one: &Loaded| one.is_of(&space.fingerprint, space.dimensions);
        if let Some(place) = self.loaded.iter().position(known) {
            return Ok(Some(Memory::Shared(self, place)));
        }
        let Self { resident, moment, loaded } = self;
        // Nobody waits for this one while it builds.
        drop(loaded);
        Ok(resident.build(connection, space, moment, now, progress)?.map(|built| Memory::Own(resident, built)))
    }
}

impl Memory<'_> {
    /// [`Index::search`], with as many threads as other searches leave; those of the request do not count.
    pub fn search(
        &self,
        query: &[f32],
        request: &Request<'_, Facts>,
        exact: &mut dyn FnMut(i64, &mut [f32]) -> Result<()>,
    ) -> Result<Found> {
        let (resident, index) = match self {
            Self::Shared(view, place) => (view.resident, view.loaded[*place].index()),
            Self::Own(resident, loaded) => (*resident, loaded.index()),
        };
        struct Done<'a>(&'a AtomicUsize);
        impl Drop for Done<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let others = resident.searching.fetch_add(1, Ordering::Relaxed);
        let _done = Done(&resident.searching);
        let threads = resident.processors / (others + 1);
        index.search(query, &Request { threads, ..*request }, exact)
    }

    /// Lets all searches use it from now on.
    pub fn share(self) {
        if let Self::Own(resident, built) = self {
            let mut all = resident.write();
            resident.deletions().begin();
            all.push(built);
        }
    }
}

/// Microseconds that building takes, about: half of them for reading a row, the rest for each component.
fn price(rows: u64, dimensions: usize) -> u64 {
    rows.saturating_mul(4 + dimensions as u64 / 64)
}

fn snapshot(connection: &Connection) -> rusqlite::Result<(Transaction<'_>, Moment)> {
    let transaction = connection.unchecked_transaction()?;
    // A transaction's snapshot is of the moment when it first reads.
    let moment = Moment::of(&transaction)?;
    Ok((transaction, moment))
}
