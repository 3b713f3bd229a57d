"""Runs a session of the sqlite3 shell in apsw, whose SQLite is its own: session.py FILE.sql EXTENSION"""
import sys

import apsw

connection = apsw.Connection(":memory:")
connection.enable_load_extension(True)
connection.load_extension(sys.argv[2], "sqlite3_qntxembed_init")
with open(sys.argv[1], encoding="utf-8") as file:
    sql = "".join(line for line in file if not line.startswith(".load"))
for row in connection.execute(sql):
    print(*row, sep="|")
