"""sqlite-vec as a measured search: a vec0 table with three metadata columns, as its documentation has it."""
import threading

import apsw
import sqlite_vec

import search_program
from search_data import DIMENSIONS, FILTERS, K, fields

WANTED = {name: "" if field is None else " AND %s = %d" % (field, value) for name, _, field, value in FILTERS}


def connect(store):
    """With the settings of the library's store: a log, each commit on disk, large pages."""
    connection = apsw.Connection(str(store / "rows.db"))
    connection.enable_load_extension(True)
    sqlite_vec.load(connection)
    connection.enable_load_extension(False)
    for pragma in ("page_size = 16384", "journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 4096"):
        connection.execute("PRAGMA " + pragma)
    return connection


class Ingest:
    def __init__(self, store):
        self.connection = connect(store)
        self.connection.execute("CREATE VIRTUAL TABLE rows USING vec0(vector float[%d], half integer, percent integer, "
                                "myriad integer)" % DIMENSIONS)

    def add(self, first, vectors, tags):
        columns = [column.tolist() for column in fields(tags).values()]
        rows = zip(range(first, first + len(vectors)), map(memoryview, vectors), *columns)
        sql = "INSERT INTO rows (rowid, vector, half, percent, myriad) VALUES (?, ?, ?, ?, ?)"
        with self.connection:
            self.connection.executemany(sql, rows)

    def finish(self):
        self.connection.close()


class SqliteVec:
    """One connection for each thread."""

    def __init__(self, store):
        self.store, self.local = store, threading.local()
        self.connection()

    def connection(self):
        if not hasattr(self.local, "connection"):
            self.local.connection = connect(self.store)
        return self.local.connection

    def search(self, query, name):
        sql = "SELECT rowid FROM rows WHERE vector MATCH ? AND k = %d%s ORDER BY distance" % (K, WANTED[name])
        return [rowid for rowid, in self.connection().execute(sql, (memoryview(query),))]


if __name__ == "__main__":
    search_program.main(Ingest, SqliteVec)
