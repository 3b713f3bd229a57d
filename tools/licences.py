"""Says under which licences what is shipped stands: writes NOTICE, or compares it, and refuses what is not in ALLOWED.

    python3 tools/licences.py           compares
    python3 tools/licences.py --write   writes

What is shipped are the crates in the library (as Cargo.lock has them, without those of tests and build scripts), the modules
in the command (as go.sum has them), and what the two have in them in C.
"""
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
NOTICE = ROOT / "NOTICE"
PLATFORMS = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "aarch64-apple-darwin"]
# All of them allow use in programs of any licence, closed ones too, where their notices go with it; the MPL also wants it said
# where the source is, which NOTICE does, and changes of its files published: there are none.
ALLOWED = {"MIT", "MIT-0", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "ISC", "Zlib", "0BSD", "CC0-1.0",
           "Unicode-3.0", "Unlicense", "BSL-1.0", "MPL-2.0"}
PREFERRED = ["MIT", "BSD-3-Clause", "BSD-2-Clause", "ISC", "Zlib", "Apache-2.0"]
# What is compiled in that is no package: name, licence, where its text is.
COMPILED_IN = [
    ("SQLite", "public domain", "https://www.sqlite.org/copyright.html"),
    ("sqlite-vec", "MIT OR Apache-2.0", "the crate sqlite-vec, below"),
    ("ONNX Runtime (beside the library, not in it)", "MIT", "LICENSE and ThirdPartyNotices.txt of share/doc/qntx_embed"),
]


def run(*command, cwd=ROOT, **env):
    return subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **env}).stdout


def chosen(expression):
    """The licences of an SPDX expression that we take it under; None where it leaves none that is allowed."""
    expression = expression.replace("/", " OR ")
    tokens = re.findall(r"\(|\)|[^\s()]+", expression)

    def either():
        options = [both()]
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            options.append(both())
        options = [option for option in options if option is not None]
        rank = lambda option: [PREFERRED.index(name) if name in PREFERRED else len(PREFERRED) for name in option]
        return min(options, key=lambda option: (len(option), rank(option)), default=None)

    def both():
        all_of = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            more = one()
            all_of = None if all_of is None or more is None else all_of + more
        return all_of

    def one():
        name = tokens.pop(0)
        if name == "(":
            inner = either()
            tokens.pop(0)
            return inner
        if tokens and tokens[0] == "WITH":
            tokens.pop(0)
            name += " WITH " + tokens.pop(0)
        return [name] if name in ALLOWED else None

    return either()


def texts(directory, licences):
    """The files of a package that have the texts of these licences."""
    files = sorted(f for f in directory.iterdir() if f.is_file() and re.match(r"(?i)(licen[cs]e|copying|notice|unlicense)", f.name))
    words = {name.split("-")[0].lower() for name in licences}
    named = [f for f in files if any(word in f.name.lower() for word in words)]
    return [f.read_text(errors="replace").strip() for f in named or files if not f.name.lower().endswith((".spdx", ".json"))]


def crates():
    found = {}
    for platform in PLATFORMS:
        data = json.loads(run("cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", platform))
        packages = {p["id"]: p for p in data["packages"]}
        nodes = {n["id"]: n for n in data["resolve"]["nodes"]}
        waiting, seen = [data["resolve"]["root"]], set()
        while waiting:
            here = waiting.pop()
            if here in seen:
                continue
            seen.add(here)
            for dep in nodes[here]["deps"]:
                # Macros run in the compiler, and are in no library.
                macro = any("proc-macro" in t["kind"] for t in packages[dep["pkg"]]["targets"])
                if not macro and any(kind["kind"] is None for kind in dep["dep_kinds"]):
                    waiting.append(dep["pkg"])
        for package in (packages[i] for i in seen - {data["resolve"]["root"]}):
            found[package["name"], package["version"]] = (package["license"] or "", pathlib.Path(package["manifest_path"]).parent)
    return found


def of_text(text):
    """The licence that a text is of; Go's modules do not say it otherwise."""
    text = " ".join(text.split())
    if "Apache License" in text:
        return "Apache-2.0"
    if "Permission is hereby granted, free of charge" in text:
        return "MIT"
    if "Redistribution and use in source and binary forms" in text:
        return "BSD-3-Clause" if re.search(r"(?i)neither the name|nor the names", text) else "BSD-2-Clause"
    return ""


def modules():
    found = {}
    for tags in ("rustembeddings", ""):
        listed = run("go", "list", "-deps", "-tags", tags, "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}",
                     "./cmd/qntx-embed", "./embeddings", "./server", "./sqliteext", cwd=ROOT / "go", GOOS="linux")
        for line in filter(None, listed.splitlines()):
            path, version, directory = line.split(" ", 2)
            text = "\n".join(texts(pathlib.Path(directory), []))
            found[path, version] = (of_text(text), pathlib.Path(directory))
    return found


def notice():
    wrong, lines, of_texts = [], [], {}
    lines += ["What libqntx_embed is shipped with, under which licences, and their texts. `make licences` writes this file.", ""]
    lines += [f"{name}: {licence} ({where})" for name, licence, where in COMPILED_IN]
    lines += ["", "All packages are used unchanged; their source is the package of that name and version."]
    for title, packages in (("Crates in the library", crates()), ("Go modules in the command", modules())):
        lines += ["", title, ""]
        for (name, version), (expression, directory) in sorted(packages.items()):
            licences = chosen(expression) if expression else None
            if licences is None:
                wrong.append(f"{name} {version} stands under '{expression or 'no licence that is known'}'")
                continue
            lines.append(f"  {name} {version}: {expression}")
            for text in texts(directory, licences):
                of_texts.setdefault(text, []).append(f"{name} {version}")
    if wrong:
        sys.exit("licences: not in ALLOWED of tools/licences.py: " + "; ".join(wrong))
    for text, names in sorted(of_texts.items(), key=lambda item: item[1]):
        lines += ["", "-" * 80, ", ".join(names), "", text]
    return "\n".join(line.rstrip() for line in "\n".join(lines).splitlines()) + "\n"


made = notice()
if sys.argv[1:] == ["--write"]:
    NOTICE.write_text(made)
elif not NOTICE.exists() or NOTICE.read_text() != made:
    sys.exit("licences: NOTICE is not what Cargo.lock and go.sum say: run 'make licences' and commit it")
print(f"{made.count(chr(10))} lines, {len(made) // 1024} KiB")
