"""The modes of a measured program (see README.md), for those that are written in Python."""
import itertools
import json
import math
import os
import sys
import threading
import time
from pathlib import Path

from tokenizers import Tokenizer

ONE_TEXT = "how do I stop the pump before it floods"
ONE_TEXT_RUNS = 200
CALLERS_WARM_UP = 1.0


def main(open_program):
    """`open_program(callers)` gives an object with batch(texts), a matrix of numpy, and one(text). What it has in a
    dictionary `extra` in the end is reported too."""
    mode, corpus, *rest = sys.argv[1:]
    corpus = json.loads(Path(corpus).read_text("utf-8"))
    start = time.perf_counter()
    program = open_program(int(rest[0]) if mode == "callers" else None)
    result = {"load_ms": (time.perf_counter() - start) * 1e3, "rss_open_mb": rss()}
    if mode == "batch":
        result.update(batch(program, corpus["texts"], *rest))
    elif mode == "callers":
        result.update(callers(program, corpus, int(rest[0]), float(rest[1])))
    else:
        raise SystemExit("no mode %s, see benches/README.md" % mode)
    result.update(getattr(program, "extra", {}))
    print(json.dumps(result))


def batch(program, texts, vectors_file):
    program.batch(texts)
    start = time.perf_counter()
    vectors = program.batch(texts)
    seconds = time.perf_counter() - start
    one = []
    for _ in range(ONE_TEXT_RUNS + ONE_TEXT_RUNS // 10):
        start = time.perf_counter()
        program.one(ONE_TEXT)
        one.append((time.perf_counter() - start) * 1e3)
    one = one[ONE_TEXT_RUNS // 10:]
    used = rss()
    vectors.astype("<f4").tofile(vectors_file)
    return {"seconds": seconds, "one_p50_ms": percentile(one, 0.5), "one_p99_ms": percentile(one, 0.99), "rss_mb": used}


def callers(program, corpus, count, seconds):
    """Callers in threads of their own, each with one text at a time. What ends within the window counts; in the
    latencies also what still waits then, or one who is never served would not be seen."""
    numbers, lock, done = itertools.count(), threading.Lock(), []
    begin = time.perf_counter() + CALLERS_WARM_UP
    end = begin + seconds

    def caller():
        while True:
            with lock:
                i = next(numbers) % len(corpus["texts"])
            start = time.perf_counter()
            program.one(corpus["texts"][i])
            now = time.perf_counter()
            if now >= begin:
                done.append((i, (now - start) * 1e3, now < end))
            if now >= end:
                return

    threads = [threading.Thread(target=caller) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    latencies = [ms for _, ms, _ in done]
    counted = [corpus["tokens"][i] for i, _, within in done if within]
    return {"seconds": seconds, "texts": len(counted), "tokens": sum(counted),
            "p50_ms": percentile(latencies, 0.5), "p99_ms": percentile(latencies, 0.99), "rss_mb": rss()}


def tokenizer(directory):
    """The directory's tokenizer, cut where sentence-transformers cuts and without the padding that it may bring."""
    tok = Tokenizer.from_file(str(Path(directory, "tokenizer.json")))
    tok.no_padding()
    tok.enable_truncation(max_tokens(directory))
    return tok


def max_tokens(directory):
    return json.loads(Path(directory, "sentence_bert_config.json").read_text("utf-8"))["max_seq_length"]


def percentile(values, share):
    """By nearest rank; None where nothing was measured."""
    values = sorted(values)
    return values[max(math.ceil(len(values) * share), 1) - 1] if values else None


def rss():
    """Megabytes; 0 where there is no /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
