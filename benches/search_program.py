"""The modes of a program whose search is measured (see README.md), for those that are written in Python."""
import json
import sys
import threading
import time
from pathlib import Path

import search_data
from program import percentile, rss
from search_data import FILTERS

CALLERS = (1, 8)
PARTS = 10


def main(ingest, open_program):
    """`ingest(store)` gives an object with add(first, vectors, tags), the rows from the number `first`, and finish();
    `open_program(store)` one with search(query, filter), which gives the numbers of the nearest rows, best first. What
    the latter has in a dictionary `extra` in the end is reported too."""
    mode, data, rows, store, *rest = sys.argv[1:]
    data, rows, store = Path(data), int(rows), Path(store)
    if mode == "ingest":
        result = measure_ingest(ingest, data, rows, store)
    elif mode == "search":
        result = measure_search(open_program, data, store, float(rest[0]), Path(rest[1]))
    else:
        raise SystemExit("no mode %s, see benches/README.md" % mode)
    print(json.dumps(result))


def measure_ingest(ingest, data, rows, store):
    """In tenths, each in batches of at most 10,000 rows; reading the vectors is not counted."""
    vectors, tags = search_data.read(data, rows)
    start = time.perf_counter()
    program = ingest(store)
    opening, parts = time.perf_counter() - start, []
    for part in range(PARTS):
        seconds, end = 0.0, rows * (part + 1) // PARTS
        for first in range(rows * part // PARTS, end, search_data.BLOCK):
            last = min(first + search_data.BLOCK, end)
            batch, of_batch = vectors[first:last].copy(), tags[first:last]
            start = time.perf_counter()
            program.add(first, batch, of_batch)
            seconds += time.perf_counter() - start
        parts.append(seconds)
    start = time.perf_counter()
    program.finish()
    return {"parts_s": parts, "finish_s": opening + time.perf_counter() - start}


def measure_search(open_program, data, store, seconds, answers_file):
    queries = search_data.read_queries(data)
    start = time.perf_counter()
    program = open_program(store)
    opened = time.perf_counter()
    program.search(queries[0], "all")
    first = time.perf_counter()
    answers, cells = {}, []
    for name, *_ in FILTERS:
        found = set()
        for callers in CALLERS:
            cells.append(dict(filter=name, callers=callers, **cell(program, queries, name, callers, seconds, found)))
        answers[name] = sorted(found)
    answers_file.write_text(json.dumps(answers))
    return dict(getattr(program, "extra", {}), open_ms=(opened - start) * 1e3, first_ms=(first - opened) * 1e3,
                cells=cells, rss_mb=rss())


def cell(program, queries, name, callers, seconds, found):
    """Callers in threads of their own, after one search each that does not count. All searches that begin within the
    window count, and the time until the last of them has ended."""
    barrier, latencies, ends = threading.Barrier(callers), [], []

    def caller(number):
        program.search(queries[number], name)
        barrier.wait()
        begin = now = time.perf_counter()
        place = number
        while now < begin + seconds:
            query = place % len(queries)
            start = time.perf_counter()
            ids = program.search(queries[query], name)
            now = time.perf_counter()
            latencies.append((now - start) * 1e3)
            found.add((query, tuple(ids)))
            place += callers
        ends.append(now - begin)

    threads = [threading.Thread(target=caller, args=(number,)) for number in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"searches": len(latencies), "seconds": max(ends), "p50_ms": percentile(latencies, 0.5),
            "p99_ms": percentile(latencies, 0.99)}
