"""How far the vectors of one program are from another's: mean cosine, and the share of the ten nearest that stay (recall@10).

    recall.py FOUND TRUTH ROWS    two files of little-endian f32, row by row; prints one line of JSON

Every row is a query once, against all others. Needs numpy.
"""
import json
import sys

import numpy


def unit_rows(file, count):
    rows = numpy.fromfile(file, "<f4").reshape(count, -1)
    return rows / numpy.linalg.norm(rows, axis=1, keepdims=True)


def nearest(rows):
    similarity = rows @ rows.T
    numpy.fill_diagonal(similarity, -2)
    return numpy.argsort(-similarity, axis=1, kind="stable")[:, :10]


def main():
    count = int(sys.argv[3])
    found, truth = (unit_rows(file, count) for file in sys.argv[1:3])
    cosines = (found * truth).sum(axis=1)
    kept = [len(numpy.intersect1d(a, b)) / 10 for a, b in zip(nearest(found), nearest(truth))]
    print(json.dumps(dict(mean=float(cosines.mean()), smallest=float(cosines.min()), recall=float(numpy.mean(kept)))))


if __name__ == "__main__":
    main()
