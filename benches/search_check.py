"""Compares the answers of a program with brute force: fast and wrong is easy.

    search_check.py DATA ROWS ANSWERS     prints one line of JSON; needs numpy

ANSWERS is what a program wrote (README.md). A hit is right where its row passes the filter and is as near as the tenth of
the right answer, within what rounding in f32 may do. recall is right hits by those that there are to find, over all
answers.
"""
import json
import sys
from pathlib import Path

import search_data

# Of two sums of 384 products in f32, in different orders.
ROUNDING = 1e-6


def right_hits(ids, query, worst, vectors, allowed):
    """How many hits are right; none where an answer is too long, not in order, or says a row twice."""
    if len(ids) > search_data.K or len(set(ids)) != len(ids) or not all(0 <= i < len(vectors) for i in ids):
        return 0
    cosines = search_data.cosines(vectors[ids], query)
    if any(after > before + ROUNDING for before, after in zip(cosines, cosines[1:])):
        return 0
    return sum(i in allowed and cosine >= worst - ROUNDING for i, cosine in zip(ids, cosines))


def main():
    directory, rows = Path(sys.argv[1]), int(sys.argv[2])
    answers = json.loads(Path(sys.argv[3]).read_text())
    truth = json.loads((directory / ("truth-%d.json" % rows)).read_text())
    vectors, tags = search_data.read(directory, rows)
    queries = search_data.read_queries(directory)
    result = {}
    for name, *_ in search_data.FILTERS:
        allowed = set(search_data.passing(name, tags).tolist())
        wanted = min(search_data.K, truth[name]["rows"])
        right = [right_hits(ids, queries[query], truth[name]["worst"][query], vectors, allowed)
                 for query, ids in answers[name]]
        result[name] = dict(answers=len(right), recall=sum(right) / (wanted * len(right)) if right else 0)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
