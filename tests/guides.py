"""Runs the commands of guides as they stand there, on a server of its own, and compares what is said to come.

    python3 tests/guides.py docs/api.md …       after `make build`

A block of kind sh is run as a whole. The block after it, where it is json or text, is what it prints. In JSON "…" stands for
what is left out (the rest of a text, an array or an object), decimals are compared to three places, and times, ids, sizes of memory
and whether an index has paid for itself by their type only. In text, digits stand for any.
"""
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
ADDRESS = "127.0.0.1:8787"
UNSTABLE = re.compile(r".*_(ms|at|bytes)$|^(id|next|created|fingerprint|instance|onnxruntime|resident|resident_rows)$")
passed = 0


def differs(wanted, found, path=""):
    """Where two documents differ, as a sentence; None where they do not."""
    if wanted == "…":
        return None
    number = (int, float)
    if isinstance(wanted, number) != isinstance(found, number) or not isinstance(wanted, number) and type(wanted) is not type(found):
        return f"{path}: {found!r}, not {wanted!r}"
    if isinstance(wanted, dict):
        more = wanted.get("…") is not None
        if not more and set(wanted) != set(found):
            return f"{path} has {sorted(found)}, not {sorted(wanted)}"
        for key in wanted:
            if key == "…":
                continue
            if key not in found:
                return f"{path} has no {key}"
            if UNSTABLE.match(key) and type(wanted[key]) is type(found[key]) or key.endswith("_ms") and isinstance(found[key], number):
                continue
            if problem := differs(wanted[key], found[key], f"{path}.{key}"):
                return problem
        return None
    if isinstance(wanted, list):
        if more := wanted[-1:] == ["…"]:
            wanted = wanted[:-1]
        if len(found) < len(wanted) or not more and len(found) != len(wanted):
            return f"{path} has {len(found)} entries, not {len(wanted)}"
        return next(filter(None, (differs(w, f, f"{path}[{i}]") for i, (w, f) in enumerate(zip(wanted, found)))), None)
    if isinstance(wanted, str) and "…" in wanted:
        return None if re.fullmatch(".+".join(map(re.escape, wanted.split("…"))) if wanted[-1] != "…" else
                                    re.escape(wanted[:-1]) + ".*", found, re.S) else f"{path}: {found!r}, not {wanted!r}"
    same = abs(wanted - found) < 6e-4 if isinstance(wanted, float) else wanted == found
    return None if same else f"{path}: {found!r}, not {wanted!r}"


def documents(text):
    """The JSON documents of a text, one after another."""
    decoder, at, found = json.JSONDecoder(), 0, []
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        document, at = decoder.raw_decode(text, at)
        found.append(document)
    return found


def compare(kind, wanted, found):
    if kind == "text":
        pattern = re.sub(r"\d+(\\\.\d+)?", r"[\\d.]+", re.escape(wanted.strip())).replace("…", ".*")
        return None if re.fullmatch(pattern, found.strip()) else "it is other text"
    try:
        return differs(documents(wanted), documents(found))
    except ValueError as e:
        return f"it is no JSON: {e}"


def run(guide, address, scratch):
    global passed
    place = scratch / "place"  # where files that a command makes lie
    place.mkdir()
    for name in ("bin", "examples", "models"):
        (place / name).symlink_to(ROOT / name)
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", guide.read_text(), re.M | re.S)
    env = dict(os.environ, QNTX_EMBED_DB=str(scratch / "shell.db"))
    for i, (kind, text) in enumerate(blocks):
        if kind != "sh":
            continue
        command = text.replace(ADDRESS, address).replace("curl ", "curl -sS ")
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=place, capture_output=True, text=True, timeout=900, env=env)
        if done.returncode != 0:
            sys.exit(f"{guide.name}: {text}failed with exit code {done.returncode}:\n{done.stdout}{done.stderr}")
        after = blocks[i + 1] if i + 1 < len(blocks) else ("", "")
        if after[0] in ("json", "text") and (problem := compare(*after, done.stdout)):
            sys.exit(f"{guide.name}: {text}prints\n{done.stdout}not, as is said there,\n{after[1]}{problem}")
        passed += 1
        print(f"ok {guide.name}: {text.splitlines()[0]}")


def served(guide):
    with tempfile.TemporaryDirectory() as directory:
        scratch = pathlib.Path(directory)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        log = open(scratch / "log", "w+")
        server = subprocess.Popen([ROOT / "bin/qntx-embed", "serve", "--db", scratch / "guide.db", "--listen", address, "--pprof"],
                                  cwd=ROOT, stderr=log)
        try:
            for _ in range(600):
                try:
                    urllib.request.urlopen(f"http://{address}/readyz").close()
                    break
                except OSError:
                    time.sleep(0.05)
            run(guide, address, scratch)
        finally:
            server.terminate()
            server.wait(30)


for name in sys.argv[1:] or [None]:
    if not name:
        sys.exit(__doc__)
    served(ROOT / name)
print(f"{passed} passed, 0 failed")
