"""faiss' flat index of inner products as a measured search."""
import faiss
import numpy

import search_program
from search_data import DIMENSIONS, K, passing


class Ingest:
    def __init__(self, store):
        self.store, self.index, self.tags = store, faiss.IndexFlatIP(DIMENSIONS), []

    def add(self, _first, vectors, tags):
        self.index.add(vectors)
        self.tags.append(tags)

    def finish(self):
        faiss.write_index(self.index, str(self.store / "index.faiss"))
        numpy.concatenate(self.tags).tofile(str(self.store / "tags.u16"))


class Faiss:
    def __init__(self, store):
        self.index = faiss.read_index(str(store / "index.faiss"))
        tags = numpy.fromfile(str(store / "tags.u16"), "u2")
        # faiss knows no metadata: a caller looks up the rows that pass. Once here, which costs its searches nothing.
        self.parameters = {"all": None}
        for name in ("half", "percent", "myriad"):
            places = passing(name, tags)
            if 10 * len(places) < len(tags):
                selector = faiss.IDSelectorArray(places)
            else:
                bits = numpy.isin(numpy.arange(len(tags)), places)
                selector = faiss.IDSelectorBitmap(numpy.packbits(bits, bitorder="little"))
            self.parameters[name] = faiss.SearchParameters(sel=selector)

    def search(self, query, name):
        _, ids = self.index.search(query[None], K, params=self.parameters[name])
        return [i for i in ids[0].tolist() if i >= 0]


if __name__ == "__main__":
    search_program.main(Ingest, Faiss)
