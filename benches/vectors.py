"""Compares the vectors that programs wrote: wrong ones are easy to compute fast."""
import sys
from array import array


def compare(file, truth, places):
    """How a file's rows differ from those of another one; its row n is of the same text as row places[n] there."""
    found, right = numbers(file), numbers(truth)
    dim = len(right) // len(places)
    cosines = [cosine(found[n * dim:(n + 1) * dim], right[i * dim:(i + 1) * dim]) for n, i in enumerate(places)]
    # not `< 0.999`: a NaN is wrong too
    return dict(rows=len(cosines), below=sum(not c >= 0.999 for c in cosines),
                smallest=min((c for c in cosines if c == c), default=None))


def numbers(file):
    result = array("f", file.read_bytes())
    if sys.byteorder == "big":
        result.byteswap()
    return result


def cosine(x, y):
    length = (dot(x, x) * dot(y, y)) ** 0.5
    return dot(x, y) / length if length and len(x) == len(y) else float("nan")


def dot(x, y):
    return sum(map(float.__mul__, x, y))
