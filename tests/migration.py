"""Runs the commands of docs/migration.md as they stand there, recomputes its table, and looks for its code.

    python3 tests/migration.py        after `make build`
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
GUIDE = (ROOT / "docs/migration.md").read_text()
DATABASE, CODE = GUIDE.split("\n# From the original's handlers\n")


def blocks(part):
    return re.findall(r"^```(\w+)\n(.*?)^```$", part, re.M | re.S)


BLOCKS = blocks(DATABASE)
passed = 0


def ok(what):
    global passed
    passed += 1
    print(f"ok {what}")


def run(command, cwd):
    done = subprocess.run(["sh", "-c", command], cwd=cwd, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        sys.exit(f"docs/migration.md: `{command}` failed with exit code {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def commands(scratch):
    for name in ("bin", "tests", "models"):
        (scratch / name).symlink_to(ROOT / name)
    for i, (kind, text) in enumerate(BLOCKS):
        if kind != "sh":
            continue
        command = text.strip()
        out = run(command, scratch)
        if i + 1 < len(BLOCKS) and BLOCKS[i + 1][0] == "text" and out != BLOCKS[i + 1][1]:
            sys.exit(f"docs/migration.md: `{command}` prints\n{out}not, as is said there,\n{BLOCKS[i + 1][1]}")
        if " search " in command and "AS1" not in out.splitlines()[1]:
            sys.exit(f"docs/migration.md: `{command}` does not find the pump first:\n{out}")
        ok(f"`{command}`")


def reports(scratch):
    """The report for programs says the same, and the second time there is nothing to do."""
    run("python3 tests/old_database.py again.db", scratch)
    before = (scratch / "again.db").read_bytes()
    dry = json.loads(run("bin/qntx-embed migrate --json again.db", scratch))
    if dry["applied"] or (scratch / "again.db").read_bytes() != before:
        sys.exit("a dry run has changed the file")
    done = json.loads(run("bin/qntx-embed migrate --json --apply --backup kept.db again.db", scratch))
    if done != dict(dry, applied=True, backup="kept.db"):
        sys.exit(f"the dry run said {dry}, then {done} was done")
    again = subprocess.run([ROOT / "bin/qntx-embed", "migrate", "--apply", "again.db"], cwd=scratch, capture_output=True, text=True)
    if again.returncode != 1 or "nothing to migrate" not in again.stderr:
        sys.exit(f"a second migration: exit code {again.returncode}, {again.stderr}")
    ok("the report in JSON")


def thresholds():
    rows = re.findall(r"^\| (0\.\d) \| (0\.\d+) \|$", GUIDE, re.M)
    assert len(rows) == 7, rows
    for original, cosine in rows:
        distance = 2 * (1 - float(original))
        if abs(1 - distance ** 2 / 2 - float(cosine)) > 1e-9:
            sys.exit(f"docs/migration.md: {original} is no {cosine}, but {1 - distance ** 2 / 2}")
    ok("the table of thresholds")


def code():
    """What the second part shows is what the example has."""
    program = (ROOT / "examples/go-service/main.go").read_text()
    for kind, text in blocks(CODE):
        for line in text.splitlines() if kind == "go" else []:
            if line.strip() and line.rstrip(" {") not in program.replace("_ context.Context", "ctx context.Context"):
                sys.exit(f"docs/migration.md: examples/go-service/main.go has no line\n{line}")
    ok("the code of the second part")


with tempfile.TemporaryDirectory() as directory:
    scratch = pathlib.Path(directory)
    commands(scratch)
    reports(scratch)
thresholds()
code()
print(f"{passed} passed, 0 failed")
