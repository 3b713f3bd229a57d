"""Makes the vectors that are searched, the queries, and what the right answers are.

    search_data.py DIRECTORY ROWS [ROWS ...]     needs numpy

    vectors.f32     unit vectors, little-endian f32, row by row; the first ROWS of them are a store of that size
    tags.u16        a number of each row for filters, 0 to 9,999: each once among 10,000 rows, in random order
    queries.f32     more vectors of the same making
    truth-ROWS.json of each filter how many rows pass it, and for each query the cosine of its tenth (or last) right hit

A vector is one of 1,000 random directions and a random one of 0.6 to 1.6 times its length, brought to unit length: two of
a direction have a cosine of 0.28 to 0.74, two of different ones about 0. All from one seed, in blocks of 10,000 rows, so
fewer rows are the beginning of more.
"""
import hashlib
import json
import os
import sys
from pathlib import Path

import numpy

DIMENSIONS, K, QUERIES, DIRECTIONS, BLOCK, SEED = 384, 10, 200, 1000, 10000, 20261124

# The name of a filter, its share of the rows in words, the field that it asks for and the value that this must have.
FILTERS = (("all", "all rows", None, None), ("half", "50 %", "half", 1), ("percent", "1 %", "percent", 42),
           ("myriad", "0.01 %", "myriad", 4242))


def fields(tags):
    """The metadata that programs store."""
    return {"half": tags % 2, "percent": tags % 100, "myriad": tags}


def passing(name, tags):
    """The numbers of the rows that pass a filter."""
    field, value = next((field, value) for known, _, field, value in FILTERS if known == name)
    return numpy.arange(len(tags)) if field is None else numpy.flatnonzero(fields(tags)[field] == value)


def unit(rows):
    return rows / numpy.linalg.norm(rows, axis=1, keepdims=True)


def clustered(numbers, count, directions):
    noise = numbers.standard_normal((count, DIMENSIONS), dtype=numpy.float32) / numpy.float32(DIMENSIONS ** 0.5)
    lengths = numbers.uniform(0.6, 1.6, (count, 1)).astype("f4")
    return unit(directions[numbers.integers(DIRECTIONS, size=count)] + lengths * noise).astype("<f4")


def write_rows(directory, rows, directions):
    """What is there already stays; a block that was interrupted is made anew."""
    with open(str(directory / "vectors.f32"), "ab") as vectors, open(str(directory / "tags.u16"), "ab") as tags:
        done = min(vectors.tell() // (4 * DIMENSIONS * BLOCK), tags.tell() // (2 * BLOCK))
        vectors.truncate(4 * DIMENSIONS * BLOCK * done)
        tags.truncate(2 * BLOCK * done)
        for block in range(done, -(-rows // BLOCK)):
            numbers = numpy.random.default_rng([SEED, block])
            vectors.write(clustered(numbers, BLOCK, directions).tobytes())
            tags.write(numbers.permutation(BLOCK).astype("<u2").tobytes())


def forget_others(directory):
    """What another version of this file has made."""
    stamp, own = directory / "made-by", hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != own:
        for file in directory.iterdir():
            file.unlink()
        stamp.write_text(own)


def read(directory, rows):
    """Vectors (not read before they are used) and tags."""
    return (numpy.memmap(str(directory / "vectors.f32"), "<f4", "r", shape=(rows, DIMENSIONS)),
            numpy.fromfile(str(directory / "tags.u16"), "<u2", rows))


def read_queries(directory):
    return numpy.fromfile(str(directory / "queries.f32"), "<f4").reshape(QUERIES, DIMENSIONS)


def cosines(vectors, query):
    """In f64, of vectors that are of unit length in f32."""
    vectors, query = vectors.astype("f8"), query.astype("f8")
    return vectors @ query / numpy.linalg.norm(vectors, axis=1) / numpy.linalg.norm(query)


def truth(vectors, tags, queries):
    """Candidates by f32, some more than are wanted, and these by f64."""
    result = {}
    for name, *_ in FILTERS:
        places = passing(name, tags)
        best = [numpy.empty(0, int) for _ in queries]
        for start in range(0, len(places), BLOCK):
            part = places[start:start + BLOCK]
            scores = queries @ vectors[part].T
            top = min(2 * K, len(part))
            nearest = numpy.argpartition(-scores, top - 1, axis=1)[:, :top]
            best = [numpy.concatenate((found, part[of_query])) for found, of_query in zip(best, nearest)]
        worst = [float(-numpy.sort(-cosines(vectors[found], query))[:K][-1]) for found, query in zip(best, queries)]
        result[name] = dict(rows=len(places), worst=worst)
    return result


def main():
    directory, sizes = Path(sys.argv[1]), [int(rows) for rows in sys.argv[2:]]
    directory.mkdir(parents=True, exist_ok=True)
    forget_others(directory)
    numbers = numpy.random.default_rng([SEED])
    directions = unit(numbers.standard_normal((DIRECTIONS, DIMENSIONS))).astype("f4")
    clustered(numbers, QUERIES, directions).tofile(str(directory / "queries.f32"))
    write_rows(directory, max(sizes), directions)
    for rows in sizes:
        file = directory / ("truth-%d.json" % rows)
        if not file.exists():
            new = file.with_suffix(".new")
            new.write_text(json.dumps(truth(*read(directory, rows), read_queries(directory))))
            os.replace(str(new), str(file))


if __name__ == "__main__":
    main()
