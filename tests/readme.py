"""Runs the README's examples as they stand there: its C and Go programs, its shell commands, its curl.

    python3 tests/readme.py        after `make build`; needs the toolchains only
"""
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
ADDRESS = "127.0.0.1:8787"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S)
passed = 0


def ok(what):
    global passed
    passed += 1
    print(f"ok {what}")


def run(command, cwd=ROOT, **kwargs):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600, **kwargs)
    if done.returncode != 0:
        sys.exit(f"README: {command} failed with exit code {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def following(index, kind):
    """The next block of this kind: what the program before it is said to print."""
    return next(text for k, text in BLOCKS[index + 1:] if k == kind)


def expect(found, wanted, what):
    if found != wanted:
        sys.exit(f"README: {what} prints\n{found}not, as the README says,\n{wanted}")
    ok(what)


def only(kind):
    indexes = [i for i, (k, _) in enumerate(BLOCKS) if k == kind]
    assert len(indexes) == 1, f"the README has {len(indexes)} {kind} blocks"
    return indexes[0]


def c_program(scratch):
    index = only("c")
    source = BLOCKS[index][1]
    if source != (ROOT / "examples/similarity.c").read_text():
        sys.exit("README: its C program is not examples/similarity.c")
    build = next(text for kind, text in BLOCKS if kind == "sh" and text.startswith("cc "))
    run(["sh", "-c", build])
    expect(run([ROOT / "target/similarity"]), following(index, "text"), "the C program, built as the README says,")


def go_program(scratch):
    index = only("go")
    (scratch / "main.go").write_text(BLOCKS[index][1])
    module = "github.com/teranos/libqntx_embed/go"
    (scratch / "go.mod").write_text(
        f"module example\n\ngo 1.26\n\nrequire {module} v0.0.0\n\nreplace {module} => {ROOT / 'go'}\n")
    shutil.copy(ROOT / "go/go.sum", scratch / "go.sum")
    program = scratch / "example"
    run(["go", "build", "-mod=mod", "-tags", "rustembeddings", "-o", program, "."], cwd=scratch)
    expect(run([program]), following(index, "text"), "the Go program")


def shell(scratch):
    env = dict(os.environ, QNTX_EMBED_DB=str(scratch / "readme.db"))
    lines = next(text for kind, text in BLOCKS if kind == "sh" and "bin/qntx-embed search" in text).splitlines()
    for line in lines:
        out = run(["sh", "-c", line], env=env)
        if "search" in line and "pump-002" not in out.splitlines()[1]:
            sys.exit(f"README: {line} prints\n{out}")
        ok(f"`{line}`")


def store(scratch):
    """In a directory of its own, because one of the commands makes a file; after `shell`, which fills the database."""
    place = scratch / "store"
    place.mkdir()
    for name in ("bin", "models"):
        (place / name).symlink_to(ROOT / name)
    env = dict(os.environ, QNTX_EMBED_DB=str(scratch / "readme.db"))
    lines = next(text for kind, text in BLOCKS if kind == "sh" and "bin/qntx-embed list" in text).splitlines()
    expected = {"search": "manual", "list": "pump-002", "count": "\n", "delete": "1 row deleted", "stats": "all-MiniLM-L6-v2",
                "verify": "all is whole", "backup": "copy.db: a copy of", "optimize": "before"}
    for line in lines:
        out = run(["sh", "-c", line], cwd=place, env=env)
        if expected[line.split()[1]] not in out:
            sys.exit(f"README: {line} prints\n{out}")
        ok(f"`{line}`")


def curl(scratch):
    index = only("json")
    wanted = json.loads(BLOCKS[index][1])
    command = next(text for kind, text in BLOCKS if kind == "sh" and text.startswith("curl ")).strip()
    address = re.search(r"http://([^/]+)/", command).group(1)
    assert address == ADDRESS, address
    with socket.socket() as probe:  # a `make dev` may be running there: the test then takes another port
        if probe.connect_ex(("127.0.0.1", 8787)) == 0:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                command = command.replace(address, f"127.0.0.1:{free.getsockname()[1]}")
                address = f"127.0.0.1:{free.getsockname()[1]}"
    database = scratch / "dev.db"
    run(["bin/qntx-embed", "ingest", "--db", database, "examples/corpus.jsonl"])
    server = subprocess.Popen(["bin/qntx-embed", "serve", "--db", database, "--listen", address],
                              cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"http://{address}/api/search/semantic?q=ready")
                break
            except OSError:
                time.sleep(0.05)
        url = re.search(r"'(http[^']+)'", command).group(1)
        text = run(["sh", "-c", command.replace("curl ", "curl -s ")]) if shutil.which("curl") else \
            urllib.request.urlopen(url).read().decode()
        found = json.loads(text)
        for result in found["results"]:
            result.update({key: round(result[key], 4) for key in ("similarity", "distance")})
        found["stats"] = {key: type(value).__name__ for key, value in found["stats"].items()}
        wanted["stats"] = {key: type(value).__name__ for key, value in wanted["stats"].items()}
        expect(json.dumps(found, indent=2) + "\n", json.dumps(wanted, indent=2) + "\n", f"`{command}`")
    finally:
        server.terminate()
        server.wait(20)


with tempfile.TemporaryDirectory() as scratch:
    for example in (c_program, go_program, shell, store, curl):
        example(pathlib.Path(scratch))
print(f"{passed} passed, 0 failed")
