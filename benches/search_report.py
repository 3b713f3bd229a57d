"""Turns measurements of search into tables: docs/benchmarks-search.md, and the same on the terminal."""
from statistics import median

from report import Spread, disturbance, in_short, middle, number, table, times, with_range

OURS, NOT_RESIDENT = "qntx", "qntx-not-resident"
# As in search_data.py, which needs numpy.
FILTERS = {"all": "all rows", "half": "50 %", "percent": "1 %", "myriad": "0.01 %"}
CALLERS = (1, 8)


def cell(sample, name, callers):
    return next(c for c in sample["cells"] if (c["filter"], c["callers"]) == (name, callers))


def recall(sample):
    """The worst of all filters."""
    return min(checked["recall"] for checked in sample["checked"].values() if isinstance(checked, dict))


def rows_per_s(sample):
    return sample["rows"] / (sum(sample["parts_s"]) + sample["finish_s"])


def evenness(sample):
    """What the last tenth of the rows took, as a rate, by that of the first."""
    return sample["parts_s"][0] / sample["parts_s"][-1]


class Summary:
    """The figures of a run, from its samples."""

    def __init__(self, results):
        self.results = results
        self.titles = dict(results["programs"])
        self.failures = [("%s, %s of %s rows" % (s["program"], s["mode"], format(s["rows"], ",")), s["failed"])
                         for s in results["samples"] if "failed" in s]
        self.samples = [s for s in results["samples"] if "failed" not in s]

    def of(self, program, mode, rows):
        return [s for s in self.samples if (s["program"], s["mode"], s["rows"]) == (program, mode, rows)]

    def spread(self, program, mode, rows, field):
        """None where it was not measured."""
        values = [field(s) if callable(field) else s[field] for s in self.of(program, mode, rows)]
        return Spread(values) if values else None

    def latency(self, program, rows, name, callers, field="p50_ms"):
        return self.spread(program, "search", rows, lambda s: cell(s, name, callers)[field])

    def rate(self, program, rows, name, callers):
        def searches_per_s(sample):
            found = cell(sample, name, callers)
            return found["searches"] / found["seconds"]
        return self.spread(program, "search", rows, searches_per_s)

    def measured(self, rows, name="all"):
        """Programs with a figure for so many rows, fastest first."""
        found = [(self.latency(program, rows, name, 1), program) for program in self.titles]
        return [program for _, program in sorted((s.median, p) for s, p in found if s)]

    def to(self, program, mode, rows, field):
        """Our search of all rows by what another program took: within each round, because neighbours in time had the
        same machine; then the median."""
        by_round = {s["round"]: field(s) for s in self.of(program, mode, rows)}
        ratios = [cell(s, "all", 1)["p50_ms"] / by_round[s["round"]] for s in self.of(OURS, "search", rows)
                  if s["round"] in by_round]
        return median(ratios) if ratios else None

    def answers(self, program):
        """How many different ones were checked, and the worst recall of any filter."""
        found = [c for s in self.samples if s["program"] == program and s["mode"] == "search"
                 for c in s["checked"].values() if isinstance(c, dict)]
        return sum(c["answers"] for c in found), min((c["recall"] for c in found), default=None)


def title(s, name):
    return "**%s**" % s.titles[name] if name == OURS else s.titles[name]


def one_caller(s, rows):
    lines = []
    for program in s.measured(rows):
        checked = s.spread(program, "search", rows, recall)
        lines.append([title(s, program)] + [
            "%s / %s" % tuple(middle(s.latency(program, rows, name, 1, field)) for field in ("p50_ms", "p99_ms"))
            for name in FILTERS] + ["%.4f" % checked.least])
    return table(["p50 / p99 ms"] + list(FILTERS.values()) + ["recall@10"], lines)


def eight_callers(s, rows):
    lines = []
    for program in s.measured(rows):
        lines.append([title(s, program)] + [
            "%s · %s / %s" % (middle(s.rate(program, rows, name, 8)), *(
                middle(s.latency(program, rows, name, 8, field)) for field in ("p50_ms", "p99_ms")))
            for name in FILTERS])
    return table(["searches/s · p50 / p99 ms"] + list(FILTERS.values()), lines)


def stores(s):
    lines = []
    for rows in s.results["sizes"]:
        for program in s.titles:
            if not s.of(program, "search", rows):
                continue
            lines.append([
                format(rows, ","), title(s, program),
                with_range(s.spread(program, "ingest", rows, rows_per_s)),
                times_of(s.spread(program, "ingest", rows, evenness)),
                middle(s.spread(program, "ingest", rows, "peak_mb"), 4),
                middle(s.spread(program, "ingest", rows, "file_mb"), 4),
                middle(s.spread(program, "search", rows, "open_ms")),
                middle(s.spread(program, "search", rows, "first_ms")),
                "%s / %s" % tuple(middle(s.spread(program, "search", rows, x), 4) for x in ("rss_mb", "peak_mb")),
            ])
    return table(["rows", "", "rows/s stored (least – most)", "last tenth by first", "MB peak, storing", "MB on disk",
                  "open ms", "first search ms", "MB after / peak, searching"], lines)


def times_of(spread):
    return times(spread.median if spread else None)


def goals(s):
    lines = []

    def goal(text, measured, met, form):
        lines.append([text, "—" if measured is None else form(measured),
                      "—" if measured is None else "yes" if met(measured) else "no"])

    goal("top 10 of 100,000: no more time than numpy's product alone",
         s.to("numpy", "search", 100000, lambda x: x["product_p50_ms"]), lambda x: x <= 1, lambda x: times(x) + " x")
    goal("top 10 of 1,000,000: at most 1.3 x one plain read of a byte a component",
         s.to(OURS, "read", 1000000, lambda x: x["read_p50_ms"]), lambda x: x <= 1.3, lambda x: times(x) + " x")
    slower = s.to("sqlite-vec", "search", 100000, lambda x: cell(x, "all", 1)["p50_ms"])
    goal("top 10 of 100,000: 10 x as fast as sqlite-vec", slower and 1 / slower, lambda x: x >= 10,
         lambda x: "%.1f x" % x)
    stored = s.spread(OURS, "ingest", 100000, rows_per_s)
    goal("storing 100,000 rows: 30,000 rows/s", stored and stored.median, lambda x: x >= 30000,
         lambda x: number(x) + " rows/s")
    even = s.spread(OURS, "ingest", 1000000, evenness)
    goal("storing 1,000,000 rows: the last tenth at 0.8 x the rate of the first", even and even.median,
         lambda x: x >= 0.8, lambda x: times(x) + " x")
    count, worst = s.answers(OURS)
    goal("every answer right: %s different ones" % format(count, ","), worst, lambda x: x == 1,
         lambda x: "recall@10 %.4f" % x)
    return table(["goal", "measured", "met"], lines)


def yardsticks(s, rows):
    product = s.spread("numpy", "search", rows, "product_p50_ms")
    read = s.spread(OURS, "read", rows, "read_p50_ms")
    return "numpy's product alone takes %s ms, a plain read of one byte a component %s ms. %s\n" % (
        middle(product), middle(read), answered(s, rows))


def answered(s, rows):
    """Which index of ours has answered, as the store says it."""
    parts = []
    for program in (OURS, NOT_RESIDENT):
        for sample in s.of(program, "search", rows)[-1:]:
            by_index = {}
            for name, words in FILTERS.items():
                by_index.setdefault(cell(sample, name, 1)["index"], []).append(words)
            parts.append("%s: %s" % (s.titles[program], ", ".join(
                "%s by `%s`" % (" and ".join(words), index) for index, words in by_index.items())))
    return "Index that has answered: %s." % "; ".join(parts) if parts else ""


def markdown(s):
    r, m = s.results, s.results["machine"]
    parts = [
        "# Benchmarks: search\n",
        "Written by `%s` on %s; do not edit. Every figure is the median of %d round%s (of more than 100,000 rows there is "
        "one), on this machine, in this one run.\n" % (
            r["command"], r["date"], r["rounds"], "" if r["rounds"] == 1 else "s"),
        "> A run of `--quick`: it shows that all works, its figures mean little.\n" if r["quick"] else "",
        "![Latency of a search by rows and filter](benchmarks-search.svg)\n",
        "## Goals\n", goals(s),
    ]
    for rows in r["sizes"]:
        if s.measured(rows):
            parts += ["## The nearest 10 of %s rows\n" % format(rows, ","), "One caller:\n", one_caller(s, rows),
                      yardsticks(s, rows), "Eight callers at once:\n", eight_callers(s, rows)]
    parts += ["## Storing, opening, memory\n", stores(s)]
    parts += ["## Machine and versions\n", table(["", ""], [
        ["processor", "%s, %d cores, %s" % (m["cpu"], m["cores"], ", ".join(m["sets"]) or "instruction sets unknown")],
        ["memory", "%d GB" % m["memory_gb"]],
        ["system", m["system"]],
    ] + [[name, version] for name, version in r["versions"].items()], numbers=False), disturbance(s) + "\n"]
    missing = list(r["unavailable"].items()) + s.failures
    if missing:
        parts += ["## Not measured\n", "\n".join("- %s: %s" % (name, in_short(why)) for name, why in missing) + "\n"]
    parts += ["## Method\n", method(s)]
    return "\n".join(part for part in parts if part) + "\n"


def method(s):
    items = [
        "Vectors: 384 dimensions, clustered, from one seed (`benches/search_data.py` says how); 200 queries of the same "
        "making. A filter asks for one value of a metadata field that so many of the rows have, at random places.",
        "Storing and searching are a process each, alone, the programs by turns and each round in another order. Every "
        "search gives the numbers of the ten nearest rows; the queries take turns. Callers are threads (chromem-go: "
        "goroutines) and search for %s s, after one search each that does not count." % number(s.results["seconds"]),
        "Every answer that was timed is compared with brute force in f64 (`benches/search_check.py`). recall@10 is the "
        "worst of the four filters and of all rounds; hits are right where rounding in f32 may have exchanged them.",
        "Where a search takes longer than a hundredth of the time above, p99 is the slowest one.",
        "Stored in batches of 10,000 rows (10,000 rows: of 1,000). libqntx_embed stores what the others do and a text of "
        "25 words, in the table, in vec0 and in its index of words; it and sqlite-vec have each batch on disk when it is "
        "acknowledged, with the same settings of SQLite. faiss, numpy and chromem-go write one file in the end, which "
        "counts.",
        "“Not resident” is the same store opened with `max_resident_bytes` 1, so that vec0 and the rows answer.",
        "Opening is from files in the page cache. faiss, numpy and chromem-go read the whole file then; libqntx_embed is "
        "told to build its index in memory at the first search (`index` `resident`), and chooses itself afterwards. "
        "Memory is of the process: after all searches, and at its peak (`ru_maxrss`); Python's own is in it.",
        "sqlite-vec: its wheel of PyPI, loaded into apsw's SQLite, one connection for each caller, filters on metadata "
        "columns. faiss and numpy know no metadata: the numbers of the rows that pass a filter are made before, which "
        "costs their searches nothing. Eight callers of these three share Python's interpreter lock between searches.",
        "The plain read takes as many bytes as the index in memory scans, with all threads.",
    ]
    return "\n".join("- " + item for item in items)
