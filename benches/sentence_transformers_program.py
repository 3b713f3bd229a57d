"""sentence-transformers with torch, as a measured program: the truth for vectors, and what most people use."""
import os

from sentence_transformers import SentenceTransformer

import program


class SentenceTransformers:
    def __init__(self, _callers):
        self.model = SentenceTransformer(os.environ["BENCH_MODEL"], device="cpu")

    def batch(self, texts):
        return self.model.encode(texts, batch_size=32, show_progress_bar=False)

    def one(self, text):
        return self.model.encode([text], show_progress_bar=False)[0]


if __name__ == "__main__":
    program.main(SentenceTransformers)
