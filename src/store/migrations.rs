//! Brings a database to the newest schema: numbered SQL files, each applied once, in a transaction of its own.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use sha2::{Digest, Sha256};

use super::connection::{self, Access};
use crate::error::{Code, Error, Result, fail};

struct Migration {
    number: u32,
    name: &'static str,
    sql: &'static str,
}

/// In the order of their numbers. A released one is never edited: its checksum is in every database.
const MIGRATIONS: &[Migration] = &[Migration {
    number: 19,
    name: "019_create_embeddings_table.sql",
    sql: include_str!("migrations/019_create_embeddings_table.sql"),
}];

const REGISTER: &str = "CREATE TABLE IF NOT EXISTS qntx_embed_migrations (
    number     INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    checksum   TEXT NOT NULL,
    applied_at TEXT NOT NULL
)";

/// Gives the names of those that were not there yet.
pub fn apply(database: &mut Connection, name: &str) -> Result<Vec<&'static str>> {
    let failed = |e: rusqlite::Error| connection::error(name, "migrated", &e);
    let mut applied = Vec::new();
    for migration in MIGRATIONS {
        // The register is read inside of the write transaction: two processes may open a new file at once.
        let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let new = apply_one(&transaction, migration, name)?;
        transaction.commit().map_err(failed)?;
        if new {
            applied.push(migration.name);
        }
    }
    Ok(applied)
}

/// All of them, in the transaction that is open.
pub fn apply_within(transaction: &Connection, name: &str) -> Result<()> {
    MIGRATIONS.iter().try_for_each(|migration| apply_one(transaction, migration, name).map(|_| ()))
}

/// Whether it was not there yet.
fn apply_one(transaction: &Connection, migration: &Migration, name: &str) -> Result<bool> {
    let failed = |e: rusqlite::Error| connection::error(name, "migrated", &e);
    let checksum: String = Sha256::digest(migration.sql).iter().map(|b| format!("{b:02x}")).collect();
    transaction.execute_batch(REGISTER).map_err(failed)?;
    let applied: Option<String> = transaction
        .query_row("SELECT checksum FROM qntx_embed_migrations WHERE number = ?1", [migration.number], |row| row.get(0))
        .optional()
        .map_err(failed)?;
    match applied {
        Some(found) if found == checksum => return Ok(false),
        Some(found) => fail!(
            StoreVersion,
            "{name}: migration {} was applied with checksum {found}, this library has {checksum}; \
             the file belongs to another build",
            migration.name
        ),
        None => {}
    }
    transaction.execute_batch(migration.sql).map_err(failed)?;
    let sql = "INSERT INTO qntx_embed_migrations VALUES (?1, ?2, ?3, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))";
    transaction.execute(sql, params![migration.number, migration.name, checksum]).map_err(failed)?;
    Ok(true)
}

/// Leaves as they are: a file of a newer library; one that has a table `embeddings` of something else; and, where it
/// cannot be written to, one that is not of the newest schema.
pub fn refuse_others(database: &Connection, access: Access, name: &str) -> Result<()> {
    // In one transaction, because another process may be making the tables now. It begins with the first of these, which
    // reads what is always there.
    let read = || {
        let transaction = database.unchecked_transaction()?;
        Ok((has_embeddings(&transaction)?, newest(&transaction)?))
    };
    let (has_embeddings, newest) = read().map_err(|e| connection::error(name, "opened", &e))?;
    let known = MIGRATIONS.last().map_or(0, |m| m.number);
    let refused = match newest {
        Some(found) if found > known => {
            format!("{name} was written by a newer version (schema {found}, this one knows {known}); use that version")
        }
        None if has_embeddings => format!(
            "{name} has a table 'embeddings' that is not of this library; 'qntx-embed migrate' adopts a database of the \
             original system, any other program's needs a file of its own"
        ),
        found if access != Access::Write && found != Some(known) => format!(
            "{name} has schema {}, this version needs {known}, and cannot bring it up to date: the file, its directory or \
             its file system is read-only",
            found.unwrap_or(0)
        ),
        _ => return Ok(()),
    };
    Err(Error::new(Code::StoreVersion, refused))
}

/// The newest migration that was applied; `None` in a new file, and in one of another program.
pub fn newest(database: &Connection) -> rusqlite::Result<Option<u32>> {
    match database.query_row("SELECT max(number) FROM qntx_embed_migrations", [], |row| row.get(0)) {
        Err(rusqlite::Error::SqliteFailure(_, Some(message))) if message.starts_with("no such table") => Ok(None),
        newest => newest,
    }
}

fn has_embeddings(database: &Connection) -> rusqlite::Result<bool> {
    database.query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE lower(name) = 'embeddings')", [], |r| r.get(0))
}
