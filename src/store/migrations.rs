//! Brings a database to the newest schema: numbered SQL files, each applied once, in a transaction of its own.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use sha2::{Digest, Sha256};

use super::connection;
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

pub fn apply(database: &mut Connection, name: &str) -> Result<()> {
    let failed = |e: rusqlite::Error| connection::error(name, "migrated", &e);
    for migration in MIGRATIONS {
        let checksum: String = Sha256::digest(migration.sql).iter().map(|b| format!("{b:02x}")).collect();
        // The register is read inside of the write transaction: two processes may open a new file at once.
        let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        transaction.execute_batch(REGISTER).map_err(failed)?;
        let applied: Option<String> = transaction
            .query_row("SELECT checksum FROM qntx_embed_migrations WHERE number = ?1", [migration.number], |row| {
                row.get(0)
            })
            .optional()
            .map_err(failed)?;
        match applied {
            Some(found) if found == checksum => continue,
            Some(found) => fail!(
                StoreVersion,
                "{name}: migration {} was applied with checksum {found}, this library has {checksum}; \
                 the file belongs to another build",
                migration.name
            ),
            None => {}
        }
        transaction.execute_batch(migration.sql).map_err(failed)?;
        transaction
            .execute(
                "INSERT INTO qntx_embed_migrations VALUES (?1, ?2, ?3, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))",
                params![migration.number, migration.name, checksum],
            )
            .map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
    Ok(())
}

/// A file of a newer library is left as it is.
pub fn refuse_newer(database: &Connection, name: &str) -> Result<()> {
    let newest: Option<u32> =
        match database.query_row("SELECT max(number) FROM qntx_embed_migrations", [], |row| row.get(0)) {
            Ok(newest) => newest,
            // No register: a new file, or one of another program, which the first migration will tell.
            Err(rusqlite::Error::SqliteFailure(_, Some(message))) if message.starts_with("no such table") => None,
            Err(e) => return Err(connection::error(name, "opened", &e)),
        };
    let known = MIGRATIONS.last().map_or(0, |m| m.number);
    match newest {
        Some(found) if found > known => Err(Error::new(
            Code::StoreVersion,
            format!("{name} was written by a newer version (schema {found}, this one knows {known}); use that version"),
        )),
        _ => Ok(()),
    }
}
