"""Measures numpy's matrix-vector product, to which a search in the resident index is compared: matvec.py [ROWS ...]"""

import json
import sys
import time

import numpy
from threadpoolctl import threadpool_info

DIMENSIONS = 384


def main():
    pools = [{k: p.get(k) for k in ("internal_api", "architecture", "num_threads")} for p in threadpool_info()]
    print(json.dumps(pools))
    numbers = numpy.random.default_rng(1)
    query = numbers.standard_normal(DIMENSIONS, dtype=numpy.float32)
    for rows in [int(a) for a in sys.argv[1:]] or [10_000, 100_000, 1_000_000]:
        matrix = numbers.standard_normal((rows, DIMENSIONS), dtype=numpy.float32)
        times = []
        for _ in range(51):
            start = time.perf_counter()
            matrix @ query
            times.append((time.perf_counter() - start) * 1e3)
        times = sorted(times[1:])
        print(f"{rows} x {DIMENSIONS}: M @ q in f32, p50 {times[25]:.3f} ms, p99 {times[49]:.3f} ms")


if __name__ == "__main__":
    main()
