#!/usr/bin/env python3
"""Compiles libqntx_embed_sqlite.so, the loadable SQLite extension, into a directory that has libqntx_embed.so.

sqlite-vec's source is that of the crate which cargo has fetched for the library itself, so both copies are one version.
"""
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "sqlite" / "qntx_embed_sqlite.c"
NAME = "libqntx_embed_sqlite.so"
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def sqlite_vec():
    """The directory of the crate's source."""
    command = ["cargo", "metadata", "--format-version", "1", "--manifest-path", str(ROOT / "Cargo.toml")]
    packages = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["packages"]
    return Path(next(p["manifest_path"] for p in packages if p["name"] == "sqlite-vec")).parent


def newer(target, sources):
    return target.exists() and all(target.stat().st_mtime >= source.stat().st_mtime for source in sources)


def main():
    out = Path(sys.argv[1])
    vec, target = sqlite_vec(), out / NAME
    inputs = [SOURCE, ROOT / "include" / "qntx_embed.h", vec / "sqlite-vec.c", Path(__file__), out / "libqntx_embed.so"]
    if newer(target, inputs):
        return
    cc = os.environ.get("CC", "cc").split()
    objects = []
    # Others' code is compiled without our warnings.
    for source, warnings in ((SOURCE, WARNINGS), (vec / "sqlite-vec.c", ["-w"])):
        objects.append(out / (source.stem + ".o"))
        subprocess.run(cc + ["-std=gnu11", "-O3", "-fPIC", "-fvisibility=hidden", "-pthread", *warnings, "-isystem", str(vec),
                             "-I", str(ROOT / "include"), "-c", str(source), "-o", str(objects[-1])], check=True)
    subprocess.run(cc + ["-shared", "-pthread", *map(str, objects), "-o", str(target) + ".part", "-L", str(out), "-lqntx_embed",
                         "-lm", "-Wl,-rpath,$ORIGIN", "-Wl,-soname," + NAME], check=True)
    for name in objects:
        name.unlink()
    os.replace(str(target) + ".part", target)


if __name__ == "__main__":
    main()
