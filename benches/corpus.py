"""Writes the texts to measure with: doc comments of the Go standard library on this machine.

    python corpus.py MODEL_DIRECTORY OUT_DIRECTORY [--texts N]        needs: tokenizers, and go on the PATH

mixed.json has comments as they are, short.json beginnings of other ones, of at most 20 tokens. Each is an object with
`texts` and `tokens`, the tokens of each text that the model uses (special ones counted). One version of Go gives the
same texts everywhere: they are chosen by their SHA-256.
"""
import argparse
import hashlib
import json
import re
import subprocess
from pathlib import Path

from program import tokenizer

SHORT_TOKENS = 20
DECLARATION = re.compile(r"(package|func|type|var|const)\b")
DIRECTIVE = re.compile(r"//(go:|export |line |\s*\+build)")


def doc_comments(source):
    """The comments that stand right before a declaration of this Go file."""
    lines = []
    for line in source.splitlines():
        if line.startswith("//"):
            if not DIRECTIVE.match(line):
                lines.append(line[2:].strip())
            continue
        if lines and DECLARATION.match(line):
            yield " ".join(" ".join(lines).split())
        lines = []


def by_hash(texts):
    return sorted(texts, key=lambda text: hashlib.sha256(text.encode()).digest())


def beginning(text, tok):
    """The first words of a text, 3 to 13 of them by its hash, fewer where they have too many tokens."""
    words = text.split()
    for count in range(3 + hashlib.sha256(text.encode()).digest()[0] % 11, 0, -1):
        cut = " ".join(words[:count])
        if len(tok.encode(cut).ids) <= SHORT_TOKENS:
            return cut
    return None


def main():
    arg = argparse.ArgumentParser()
    arg.add_argument("model_directory", type=Path)
    arg.add_argument("out_directory", type=Path)
    arg.add_argument("--texts", type=int, default=1000)
    a = arg.parse_args()

    goroot = subprocess.run(["go", "env", "GOROOT"], check=True, stdout=subprocess.PIPE, universal_newlines=True).stdout.strip()
    comments = set()
    for file in Path(goroot, "src").rglob("*.go"):
        if not file.name.endswith("_test.go") and "testdata" not in file.parts:
            comments.update(c for c in doc_comments(file.read_text("utf-8", "replace")) if len(c) > 20)
    comments = by_hash(comments)
    tok = tokenizer(a.model_directory)

    mixed, rest = comments[:a.texts], comments[a.texts:]
    short = list(dict.fromkeys(b for b in (beginning(text, tok) for text in rest) if b))[:a.texts]
    a.out_directory.mkdir(parents=True, exist_ok=True)
    for name, texts in (("mixed", mixed), ("short", short)):
        if len(texts) < a.texts:
            raise SystemExit("corpus: %s has %d texts, %d are wanted: is the source of Go's standard library in %s?"
                             % (name, len(texts), a.texts, goroot))
        tokens = [len(e.ids) for e in tok.encode_batch(texts)]
        (a.out_directory / (name + ".json")).write_text(json.dumps({"texts": texts, "tokens": tokens}), "utf-8")


if __name__ == "__main__":
    main()
