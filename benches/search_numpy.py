"""numpy as a measured search: a matrix times the query, and the ten largest of that."""
import time

import numpy

import search_program
from search_data import DIMENSIONS, K, passing

PRODUCTS = 51


class Ingest:
    """A file with the numbers, and nothing that could be searched before it is whole."""

    def __init__(self, store):
        self.vectors, self.tags = open(str(store / "vectors.f32"), "wb"), open(str(store / "tags.u16"), "wb")

    def add(self, _first, vectors, tags):
        self.vectors.write(vectors.tobytes())
        self.tags.write(tags.tobytes())

    def finish(self):
        self.vectors.close()
        self.tags.close()


class Numpy:
    def __init__(self, store):
        self.matrix = numpy.fromfile(str(store / "vectors.f32"), "f4").reshape(-1, DIMENSIONS)
        tags = numpy.fromfile(str(store / "tags.u16"), "u2")
        self.places = {name: passing(name, tags) for name in ("half", "percent", "myriad")}

    @property
    def extra(self):
        """The product alone, to which the library's search is compared."""
        query, times = self.matrix[0].copy(), []
        for _ in range(PRODUCTS):
            start = time.perf_counter()
            self.matrix @ query
            times.append((time.perf_counter() - start) * 1e3)
        return {"product_p50_ms": sorted(times)[PRODUCTS // 2]}

    def search(self, query, name):
        places = self.places.get(name)
        if places is None:
            scores = self.matrix @ query
        elif 10 * len(places) < len(self.matrix):
            scores = self.matrix[places] @ query
        else:
            # Copying half of the matrix takes longer than multiplying all of it.
            scores = (self.matrix @ query)[places]
        count = min(K, len(scores))
        top = numpy.argpartition(scores, -count)[-count:]
        top = top[numpy.argsort(-scores[top])]
        return (top if places is None else places[top]).tolist()


if __name__ == "__main__":
    search_program.main(Ingest, Numpy)
