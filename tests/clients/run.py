"""Drives a real server with clients that others have written.

    python3 tests/clients/run.py openai     the openai package, openai-go and langchaingo at /v1/
    python3 tests/clients/run.py openapi    schemathesis, with what openapi.json says

after `make build`. The Python packages go into target/clients, and stay there.
"""
import contextlib
import hashlib
import os
import pathlib
import re
import sqlite3
import subprocess
import sys
import tempfile
import venv

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SCRATCH = ROOT / "target/clients"
MODEL = os.environ.get("QNTX_EMBED_TEST_MODEL", str(ROOT / "models/all-MiniLM-L6-v2"))
KEY = "qntx_key-of-the-tests"


def python():
    """The interpreter of an environment that has the packages of requirements.txt."""
    requirements = HERE / "requirements.txt"
    wanted, stamp = requirements.read_text(), SCRATCH / "installed.txt"
    if not stamp.exists() or stamp.read_text() != wanted:
        venv.create(SCRATCH, clear=True, with_pip=True)
        subprocess.run([SCRATCH / "bin/python", "-m", "pip", "install", "-q", "-r", requirements], check=True)
        stamp.write_text(wanted)
    return SCRATCH / "bin/python"


@contextlib.contextmanager
def server(scratch, *flags):
    """A server at a free port, with a key; ends it in an orderly way, and expects that."""
    keys = scratch / "keys.toml"
    keys.write_text(f'[[key]]\nname = "tests"\nsha256 = "{hashlib.sha256(KEY.encode()).hexdigest()}"\nrole = "write"\n')
    log = open(scratch / "server.log", "w+")
    running = subprocess.Popen([ROOT / "bin/qntx-embed", "serve", "--listen", "127.0.0.1:0", "--model", MODEL, "--db", scratch / "test.db",
                                "--keys", keys, *flags], stderr=subprocess.PIPE, text=True, cwd=ROOT)
    address = None
    try:
        for line in running.stderr:
            log.write(line)
            if found := re.search(r"msg=listening address=(\S+)", line):
                address = found.group(1)
                break
        if not address:
            sys.exit(f"the server did not start: {(scratch / 'server.log').read_text()}")
        # Or it would wait for somebody who reads its log.
        drain = subprocess.Popen(["cat"], stdin=running.stderr, stdout=log)
        yield address
    finally:
        running.terminate()
        code = running.wait(30)
    drain.wait(30)
    log.flush()
    text = (scratch / "server.log").read_text()
    if code != 0 or "panic" in text or "level=ERROR" in text:
        sys.exit(f"the server ended with exit code {code}; its log has\n" +
                 "".join(line for line in text.splitlines(True) if "level=INFO" not in line))


def openai(scratch):
    with server(scratch, "--model-aliases", "text-embedding-3-small") as address:
        env = dict(os.environ, QNTX_EMBED_TEST_URL=address, QNTX_EMBED_TEST_KEY=KEY)
        subprocess.run([python(), HERE / "openai_client.py"], check=True, env=env)
        subprocess.run(["go", "test", "-count=1", "./..."], check=True, env=env, cwd=HERE)


def attestations(path):
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE attestations (id TEXT PRIMARY KEY, subjects JSON, predicates JSON, contexts JSON, attributes JSON)")
        database.execute("""INSERT INTO attestations VALUES ('as-1', '["pump-7"]', '["stopped"]', '["hall 3"]', '{}')""")
        database.commit()
    return path


def openapi(scratch):
    # Small limits, because one more than they allow is among what is tried.
    with server(scratch, "--attestations", attestations(scratch / "host.db"), "--max-texts", "8", "--max-text-chars", "500") as address:
        # The same requests each time: a test that fails now and then is no help.
        command = [python().parent / "schemathesis", "--config-file", HERE / "schemathesis.toml", "run", f"{address}/openapi.json", "--url", address,
                   "--header", f"Authorization: Bearer {KEY}", "--seed", "1", "--max-examples", "50", *sys.argv[2:]]
        done = subprocess.run(command, cwd=scratch, env=dict(os.environ, SCHEMATHESIS_HOOKS=str(HERE / "hooks.py")))
        if done.returncode != 0:
            sys.exit(f"schemathesis: exit code {done.returncode}")


what = sys.argv[1] if len(sys.argv) > 1 else ""
if what not in ("openai", "openapi"):
    sys.exit(__doc__)
with tempfile.TemporaryDirectory() as directory:
    {"openai": openai, "openapi": openapi}[what](pathlib.Path(directory))
