//! One SQLite file with texts, their vectors and the indexes over them; the only folder that names `rusqlite`.

mod adopt;
mod checkpoint;
mod connection;
mod file;
mod filter;
mod health;
mod keywords;
mod metadata;
mod migrations;
mod pool;
mod read;
mod reindex;
mod resident;
mod rows;
mod search;
mod vectors;
mod write;

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Transaction;

pub use adopt::{MigrateOptions, Migration, Note};
pub use filter::Filter;
pub use health::Report;
pub use read::{ListOptions, ModelStats, Stats};
pub use rows::{Outcome, Record, Row};
pub use search::{After, Diversity, Explain, Found, Fusion, Hit, Index, Query, SearchOptions};

use self::connection::Access;
use self::file::File;
use self::pool::{Pool, Reader};
use self::resident::Resident;
use self::write::{Failure, Write};
use crate::error::{Error, Result, fail};
use crate::log::{Level, Log};

/// Ids that one call of [`Store::delete_ids`] takes, and records that one of [`Store::put`] or [`Store::has`] does.
const MAX_BATCH: usize = 1_000_000;

/// Opening a file takes a few milliseconds, where nobody else writes to it.
const SLOW: Duration = Duration::from_secs(1);

/// How to open a store. `StoreOptions::default()` is what suits most.
#[derive(Clone, Debug, Default)]
pub struct StoreOptions {
    /// Bytes of memory that the resident indexes may take together, one for each model and size of vectors that is searched
    /// often: about 1,000 for a row of 384 dimensions, and its metadata. Where more is needed, vec0 and the rows answer. 0 is
    /// 2 GiB; 1 keeps nothing in memory.
    pub max_resident_bytes: usize,
    /// Where lines go that say what was done to the file, and what took long.
    pub log: Log,
}

/// An open database. May be used from any number of threads at once: readers do not wait, writers wait for each other.
pub struct Store {
    pool: Pool,
    resident: Resident,
    access: Access,
    name: String,
    /// `None` for a store in memory. After the pool, so that it is dropped when the connections are closed.
    file: Option<File>,
    log: Log,
}

impl Store {
    /// Opens the file, makes it where it is missing, and brings it to the newest schema. `:memory:` is a store that is
    /// gone when it is closed. A file that may not be written to is opened for reading: what would write is refused, by
    /// name. Refused: a file of a newer version (it stays as it is), one of the original system, which
    /// [`migrate`](Self::migrate) adopts, one that something else in this process has open, one on a network file system.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_with(path, &StoreOptions::default())
    }

    /// [`Store::open`] with options.
    pub fn open_with(path: &Path, options: &StoreOptions) -> Result<Self> {
        let (began, log) = (Instant::now(), options.log.clone());
        let name = format!("database '{}'", path.display());
        if path.as_os_str().is_empty() {
            fail!(InvalidArgument, "the path of the database is empty; ':memory:' is a store without a file");
        }
        let in_memory = path == Path::new(":memory:");
        let (mut connection, access, file) = if in_memory {
            (connection::open(path, Access::Write, &name)?, Access::Write, None)
        } else {
            let ((connection, access), mut file) = File::open(path, &name, || connection::open_best(path, &name))?;
            if access == Access::Frozen {
                file.freeze();
            }
            (connection, access, Some(file))
        };
        // Before anything is written: a file of a newer version stays as it is.
        migrations::refuse_others(&connection, access, &name)?;
        if access == Access::Write {
            connection::configure_writer(&mut connection, path, &name)?;
            for migration in migrations::apply(&mut connection, &name)? {
                log.write(Level::Info, || format!("{name}: migration {migration} was applied"));
            }
        } else {
            log.write(Level::Warning, || format!("{name} is read-only: it can be searched, and not written to"));
        }
        let pool = Pool::new(connection, (!in_memory).then_some(path), access, &name);
        if began.elapsed() >= SLOW {
            log.write(Level::Warning, || format!("{name} took {} ms to open", began.elapsed().as_millis()));
        }
        Ok(Self { pool, resident: Resident::new(options.max_resident_bytes, &log), access, name, file, log })
    }

    /// Adopts a database of the original system, in its file: its rows become rows of an unknown model (fingerprint
    /// `unknown`), which keep their texts and are found again when they were embedded anew. Without `options.apply` it
    /// only says what it would do, and writes nothing.
    pub fn migrate(path: &Path, options: &MigrateOptions<'_>) -> Result<Migration> {
        adopt::migrate(path, options)
    }

    /// Stores records, all or none, in one transaction that is on disk when the call returns; says of each what was done.
    /// A source, chunk and model that has a row already gets the new content in it; of equal ones in one call the last
    /// stays.
    pub fn put(&self, records: &[Record<'_>]) -> Result<Vec<Outcome>> {
        let metadata = check_records(records)?;
        self.write("stored", |write| put_records(write, records, &metadata))
    }

    /// Stores records as [`Store::put`] does, as all that their sources have: chunks of a record's source and model that are
    /// not among the records are deleted, in the same transaction. Gives how many of these there were, too.
    pub fn put_sources(&self, records: &[Record<'_>]) -> Result<(Vec<Outcome>, usize)> {
        let metadata = check_records(records)?;
        let mut sources: HashMap<_, Vec<u32>> = HashMap::new();
        for record in records {
            sources.entry((record.source_type, record.source_id, record.fingerprint)).or_default().push(record.chunk);
        }
        self.write("stored", |write| {
            let mut deleted = 0;
            for ((source_type, source_id, fingerprint), chunks) in &sources {
                deleted += write.delete_other_chunks(source_type, source_id, fingerprint, chunks)?;
            }
            Ok((put_records(write, records, &metadata)?, deleted))
        })
    }

    /// Says of each record whether its text is there already, made by the same model, so that it needs no new vector:
    /// `put` takes the record without one. (Where the record has a vector, the row's must have as many floats.)
    pub fn has(&self, records: &[Record<'_>]) -> Result<Vec<bool>> {
        check_batch(records.len())?;
        self.read("read", |connection| records.iter().map(|record| read::has(connection, record)).collect())
    }

    /// The row of this id; `None` where there is none.
    pub fn get(&self, id: &str) -> Result<Option<Row>> {
        self.read("read", |connection| read::by_id(connection, id))
    }

    /// All chunks of a source, in their order; of the model of this fingerprint or, where it is empty, of all.
    pub fn get_source(&self, source_type: &str, source_id: &str, fingerprint: &str) -> Result<Vec<Row>> {
        self.read("read", |connection| read::by_source(connection, source_type, source_id, fingerprint))
    }

    /// A page of rows in the order of their ids. The next page is that after its last row; the last page has fewer rows
    /// than the limit.
    pub fn list(&self, options: &ListOptions<'_>) -> Result<Vec<Row>> {
        if options.limit == 0 || options.limit > read::MAX_PAGE {
            fail!(InvalidArgument, "limit {} is out of range: 1 to {}", options.limit, read::MAX_PAGE);
        }
        self.read("read", |connection| read::page(connection, options))
    }

    /// How many rows there are that pass the filter; of the model of this fingerprint or, where it is empty, of all.
    pub fn count(&self, fingerprint: &str, filter: Option<&Filter>) -> Result<u64> {
        self.read("read", |connection| read::count(connection, fingerprint, filter))
    }

    /// A number that is greater after every change of rows, also by another process; it survives closing.
    pub fn revision(&self) -> Result<u64> {
        self.read("read", |connection| {
            connection.prepare_cached("SELECT revision FROM embedding_state")?.query_row([], |row| row.get(0))
        })
    }

    /// Deletes all chunks of a source, of every model; gives how many rows there were.
    pub fn delete_source(&self, source_type: &str, source_id: &str) -> Result<usize> {
        self.write("deleted from", |write| Ok(write.delete_source(source_type, source_id)?))
    }

    /// Deletes the rows of these ids, all or none; gives how many there were.
    pub fn delete_ids(&self, ids: &[&str]) -> Result<usize> {
        check_batch(ids.len())?;
        self.write("deleted from", |write| {
            let mut deleted = 0;
            for id in ids {
                deleted += write.delete_id(id)?;
            }
            Ok(deleted)
        })
    }

    /// Deletes the rows that pass the filter; gives how many there were.
    pub fn delete_where(&self, filter: &Filter) -> Result<usize> {
        self.write("deleted from", |write| Ok(write.delete_where(filter)?))
    }

    /// Searches by vector, by words, or by both.
    pub fn search(&self, query: &Query<'_>, options: &SearchOptions<'_>) -> Result<Found> {
        search::check(query, options)?;
        let reader = self.reader()?;
        // One transaction: all steps see the same rows.
        let begun = if search::looks_in_memory(query, options) {
            self.resident.view(&reader).map(|(transaction, view)| (transaction, Some(view)))
        } else {
            reader.unchecked_transaction().map(|transaction| (transaction, None)).map_err(Failure::Sqlite)
        };
        let (transaction, view) = begun.map_err(|failure| search::not_read(&self.name, failure))?;
        let (name, resident, explain) = (self.name.as_str(), &self.resident, Explain::default());
        search::Search { connection: &transaction, name, options, resident, view, explain }.run(query)
    }

    /// What the store has.
    pub fn stats(&self) -> Result<Stats> {
        let mut stats = self.read("read", |connection| read::stats(connection))?;
        stats.log_bytes = self.file.as_ref().map_or(0, File::log_bytes);
        stats.max_resident_bytes = self.resident.max_bytes() as u64;
        for model in &mut stats.models {
            if let Some(size) = self.resident.size(&model.fingerprint, model.dimensions) {
                (model.resident_rows, model.resident_bytes) = (size.rows, size.bytes);
            }
        }
        Ok(stats)
    }

    /// Reads the whole database and says what is wrong. With `repair`, what follows from the rows (vec0 tables, the words'
    /// index) is built anew where it is not what the rows say; damage to the rows themselves stays, and needs a backup.
    /// Writers wait meanwhile; readers do not. Of a file that can only be read, the words' index is compared with itself
    /// and with the rows' keys, not with their texts.
    pub fn verify(&self, repair: bool) -> Result<Report> {
        let mut report = Report::default();
        if self.access != Access::Write && !repair {
            self.read("verified", |connection| health::verify(connection, &mut report))?;
            return Ok(report);
        }
        self.check_writable("repaired")?;
        let mut connection = self.pool.writer();
        let mut work = || {
            let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            let damage = health::verify(&transaction, &mut report)?;
            if repair {
                health::repair(&transaction, &damage, &mut report)?;
            }
            transaction.commit()
        };
        work().map_err(|e| self.failed("verified", &e))?;
        let name = &self.name;
        for problem in &report.problems {
            self.log.write(Level::Warning, || format!("{name}: {problem}"));
        }
        for index in &report.repaired {
            self.log.write(Level::Info, || format!("{name}: {index} was built anew"));
        }
        Ok(report)
    }

    /// Copies the database to a new file while others read and write; the copy is of one moment. A file that is there
    /// already is refused.
    pub fn backup(&self, to: &Path) -> Result<()> {
        let reader = self.reader()?;
        health::backup(&reader, to)
    }

    /// Brings indexes into their best form and gives the space of deleted rows back to the file system. Takes as long as
    /// copying the database, and as much room on the disk; writers wait meanwhile.
    pub fn optimize(&self) -> Result<()> {
        self.check_writable("optimized")?;
        let mut connection = self.pool.writer();
        let mut work = || {
            let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            health::optimize(&transaction)?;
            transaction.commit()?;
            connection.execute_batch("VACUUM")?;
            // Readers of older pages can keep some of the log from going; it goes with a later checkpoint.
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        };
        work().map_err(|e| self.failed("optimized", &e))
    }

    fn check_file(&self) -> Result<()> {
        self.file.as_ref().map_or(Ok(()), File::check)
    }

    fn check_writable(&self, done: &str) -> Result<()> {
        self.check_file()?;
        if self.access != Access::Write {
            fail!(
                Store,
                "{} could not be {done}: it is open for reading only, because the file, its directory or its file system \
                 is read-only",
                self.name
            );
        }
        Ok(())
    }

    fn reader(&self) -> Result<Reader<'_>> {
        self.check_file()?;
        self.pool.reader()
    }

    fn read<T>(&self, done: &str, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T> {
        let reader = self.reader()?;
        let read = || work(&reader.unchecked_transaction()?);
        read().map_err(|e| self.failed(done, &e))
    }

    fn write<T>(&self, done: &str, work: impl FnOnce(&mut Write<'_>) -> Result<T, Failure>) -> Result<T> {
        self.check_writable(done)?;
        let mut connection = self.pool.writer();
        let write = || {
            let mut write = Write::begin(&mut connection)?;
            let value = work(&mut write)?;
            // While the writer is ours, so in the order of the transactions.
            self.resident.written(write.commit()?);
            Ok(value)
        };
        write().map_err(|failure| match failure {
            Failure::Sqlite(e) => self.failed(done, &e),
            Failure::Refused(e) => e,
        })
    }

    fn failed(&self, done: &str, e: &rusqlite::Error) -> Error {
        connection::error(&self.name, done, e)
    }
}

/// Refuses what cannot be stored; gives each record's metadata as it is stored.
fn check_records(records: &[Record<'_>]) -> Result<Vec<String>> {
    check_batch(records.len())?;
    let check = |(i, record)| rows::check(record).map_err(|e| at_record(i, &e));
    records.iter().enumerate().map(check).collect()
}

fn put_records(write: &mut Write<'_>, records: &[Record<'_>], metadata: &[String]) -> Result<Vec<Outcome>, Failure> {
    let put = |(i, (record, metadata)): (usize, (&Record<'_>, &String))| {
        write.put(record, metadata).map_err(|failure| match failure {
            Failure::Refused(e) => Failure::Refused(at_record(i, &e)),
            sqlite @ Failure::Sqlite(_) => sqlite,
        })
    };
    records.iter().zip(metadata).enumerate().map(put).collect()
}

fn at_record(i: usize, e: &Error) -> Error {
    Error::new(e.code(), format!("record {i}: {e}"))
}

fn check_batch(count: usize) -> Result<()> {
    if count > MAX_BATCH {
        fail!(InvalidArgument, "{count} are too many for one transaction; at most {MAX_BATCH}");
    }
    Ok(())
}
