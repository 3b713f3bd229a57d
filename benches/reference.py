"""The reference: ONNX Runtime from Python as fast as we know how to make it.

    python reference.py batch | callers …      as README.md says      needs: numpy, onnxruntime, tokenizers
    python reference.py sgemm                  the processor's rate at multiplying large matrices of f32

Many texts: sorted by length, cut into batches of 256 tokens, one session of one thread for each core.
One caller: one session with all threads. Many callers: they wait in one queue for the sessions of one thread.
"""
import json
import os
import queue
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before the import, which would report to its maker
import onnxruntime

import program

BATCH_TOKENS = 256
SGEMM_SIZE, SGEMM_RUNS = 2048, 10


def cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


class Reference:
    def __init__(self, callers):
        self.tokenizer = program.tokenizer(os.environ["BENCH_MODEL"])
        self.wide, self.narrow, self.forward_ms, self.forward_seconds = None, None, [], None
        if callers == 1:
            self.wide = session(threads=cores())
        else:
            self.narrow = queue.SimpleQueue()
            for _ in range(cores()):
                self.narrow.put(session(threads=1))
        # First come, first served: threads that fight for a session starve each other.
        self.workers = ThreadPoolExecutor(cores()) if callers and callers > 1 else None

    def batch(self, texts):
        encoded = self.tokenizer.encode_batch(texts)
        tokenised = time.perf_counter()
        rows = [None] * len(texts)

        def work(batch):
            for i, row in zip(batch, self.with_narrow([encoded[i] for i in batch])):
                rows[i] = row

        with ThreadPoolExecutor(cores()) as workers:
            list(workers.map(work, cut([len(e.ids) for e in encoded])))
        vectors = np.stack(rows)
        self.forward_seconds = time.perf_counter() - tokenised
        return vectors

    def one(self, text):
        encoded = self.tokenizer.encode(text)
        if self.workers:
            return self.workers.submit(self.with_narrow, [encoded]).result()[0]
        if not self.wide:  # a batch came before
            self.wide = session(threads=cores())
        start = time.perf_counter()
        row = forward(self.wide, [encoded])[0]
        self.forward_ms.append((time.perf_counter() - start) * 1e3)
        return row

    @property
    def extra(self):
        """Without tokenising: what is left to compare with for a program that tokenises in no time."""
        if self.forward_seconds is None:
            return {}
        return {"forward_seconds": self.forward_seconds, "one_forward_p50_ms": program.percentile(self.forward_ms, 0.5)}

    def with_narrow(self, encoded):
        own = self.narrow.get()  # there are as many as workers
        try:
            return forward(own, encoded)
        finally:
            self.narrow.put(own)


def session(threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    file = os.path.join(os.environ["BENCH_ONNX"], "model.onnx")
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def cut(lengths):
    """Texts by number, longest first, in batches that with their padding keep to the budget."""
    batches, longest = [], 0
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if not batches or (len(batches[-1]) + 1) * longest > BATCH_TOKENS:
            batches.append([])
            longest = lengths[i]
        batches[-1].append(i)
    return batches


def forward(own, encoded):
    ids = np.zeros((len(encoded), max(len(e.ids) for e in encoded)), np.int64)
    mask = np.zeros_like(ids)
    for row, e in enumerate(encoded):
        ids[row, : len(e.ids)] = e.ids
        mask[row, : len(e.ids)] = 1
    return own.run(None, {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)})[0]


def sgemm():
    """The best of several, in GFLOP/s: what the processor can do, not what it does when disturbed."""
    x = np.random.default_rng(1).random((SGEMM_SIZE, SGEMM_SIZE), np.float32)
    x @ x
    seconds = []
    for _ in range(SGEMM_RUNS):
        start = time.perf_counter()
        x @ x
        seconds.append(time.perf_counter() - start)
    return 2 * SGEMM_SIZE**3 / min(seconds) / 1e9


if __name__ == "__main__":
    if sys.argv[1:] == ["sgemm"]:
        print(json.dumps({"gflops": sgemm()}))
    else:
        program.main(Reference)
