"""Turns measurements into tables: docs/benchmarks.md, and the same on the terminal."""
import re
from statistics import median

OURS, INT8, REFERENCE, TORCH = "qntx", "qntx-int8", "reference", "sentence-transformers"


class Spread:
    """Median, least and most of one figure over the rounds."""

    def __init__(self, values):
        self.median, self.least, self.most = median(values), min(values), max(values)


class Summary:
    """The figures of a run, from its samples."""

    def __init__(self, results):
        self.results = results
        self.truth = results.get("truth", TORCH)
        self.titles = dict(results["programs"])
        self.corpora = list(results["corpora"])
        self.callers = sorted({s["callers"] for s in results["samples"] if s["callers"]})
        self.failures = [(s["program"], s["failed"]) for s in results["samples"] if "failed" in s]
        self.failures += [(k, results[k]["failed"]) for k in ("memory", "inside") if "failed" in results.get(k, {})]
        self.samples = [s for s in results["samples"] if "failed" not in s]

    def of(self, program, mode, corpus=None, callers=None):
        return [s for s in self.samples if s["program"] == program and s["mode"] == mode
                and s["corpus"] == corpus and s["callers"] == callers]

    def spread(self, program, field, mode="batch", corpus=None, callers=None):
        """None where it was not measured."""
        values = [value for s in self.of(program, mode, corpus, callers)
                  for value in [field(s) if callable(field) else s.get(field)] if value is not None]
        return Spread(values) if values else None

    def tokens_per_s(self, program, corpus, callers=None):
        return self.spread(program, self.rate, "callers" if callers else "batch", corpus, callers)

    def rate(self, sample):
        tokens = sample["tokens"] if "tokens" in sample else self.results["corpora"][sample["corpus"]]["tokens"]
        return tokens / sample["seconds"]

    def ratio(self, one, other):
        """Of two programs' (name, mode, corpus, callers) tokens/s: within each round, because neighbours in time had
        the same machine; then the median."""
        by_round = {s["round"]: self.rate(s) for s in self.of(*other)}
        ratios = [self.rate(s) / by_round[s["round"]] for s in self.of(*one) if by_round.get(s["round"])]
        return median(ratios) if ratios else None

    def to_reference(self, program, corpus):
        return self.ratio((program, "batch", corpus), (REFERENCE, "batch", corpus))

    def of_batch(self, program, corpus, callers):
        return self.ratio((program, "callers", corpus, callers), (program, "batch", corpus))

    def sgemm(self):
        return self.spread("sgemm", "gflops", "sgemm")

    def sgemm_share(self, program, corpus, seconds="seconds"):
        """The multiplications of a pass over the corpus, as a share of what the processor could have done."""
        rates = {s["round"]: s["gflops"] for s in self.of("sgemm", "sgemm")}
        work = self.results["corpora"][corpus]["gflop"]
        shares = [work / s[seconds] / rates[s["round"]] for s in self.of(program, "batch", corpus)
                  if s["round"] in rates and s.get(seconds)]
        return median(shares) if shares else None

    def measured(self, corpus):
        """Programs with a figure for this corpus, fastest first."""
        found = [(self.tokens_per_s(name, corpus), name) for name in self.titles]
        return [name for _, name in sorted(((-s.median, n) for s, n in found if s))]


def number(x, digits=3):
    """With about so many digits that say something; — where there is none."""
    if x is None:
        return "—"
    if abs(x) >= 10 ** (digits - 1):
        return format(round(x), ",")
    places = digits - 1
    while places and abs(x) >= 10 ** (digits - places):
        places -= 1
    return "%.*f" % (places, x)


def middle(spread, digits=3):
    return number(spread.median if spread else None, digits)


def with_range(spread):
    if not spread:
        return "—"
    if spread.least == spread.most:
        return number(spread.median)
    return "%s (%s – %s)" % tuple(number(x) for x in (spread.median, spread.least, spread.most))


def times(x):
    return "—" if x is None else "%.2f" % x


def table(head, rows, numbers=True):
    """Markdown with its columns in line, so that it reads well in a terminal too; all but the first are numbers."""
    rows = [[str(cell) for cell in row] for row in [head] + rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]

    def line(cells):
        return "| " + " | ".join(
            cell.rjust(width) if i and numbers else cell.ljust(width) for i, (cell, width) in enumerate(zip(cells, widths))) + " |"

    rule = "|" + "|".join("-" * (w + 1) + (":" if i and numbers else "-") for i, w in enumerate(widths)) + "|"
    return "\n".join([line(rows[0]), rule] + [line(row) for row in rows[1:]]) + "\n"


def programs_table(s, corpus):
    rows = []
    for name in s.measured(corpus):
        vectors = s.results["vectors"].get(name, {}).get(corpus)
        rows.append([
            emphasised(s, name),
            with_range(s.tokens_per_s(name, corpus)),
            times(s.to_reference(name, corpus)),
            times(s.sgemm_share(name, corpus)),
            middle(s.spread(name, lambda x: s.results["corpora"][corpus]["texts"] / x["seconds"], corpus=corpus)),
            "%s / %s" % (middle(s.spread(name, "one_p50_ms", corpus=corpus)),
                         middle(s.spread(name, "one_p99_ms", corpus=corpus))),
            middle(s.spread(name, "load_ms", corpus=corpus)),
            "%s / %s" % (middle(s.spread(name, "rss_open_mb", corpus=corpus), 4),
                         middle(s.spread(name, "peak_mb", corpus=corpus), 4)),
            "%d" % vectors["below"] if vectors else "—",
            "%.7f" % vectors["smallest"] if vectors and vectors["smallest"] is not None else "—",
        ])
    return table(["", "tokens/s (least – most)", "x reference", "of sgemm", "texts/s", "one text, p50 / p99 ms",
                  "load ms", "MB open / peak", "cosine < 0.999", "smallest cosine"], rows)


def callers_table(s, corpus):
    rows = []
    for name in s.measured(corpus):
        for callers in s.callers:
            if s.of(name, "callers", corpus, callers):
                rows.append([
                    emphasised(s, name), callers,
                    with_range(s.tokens_per_s(name, corpus, callers)),
                    times(s.of_batch(name, corpus, callers)),
                    middle(s.spread(name, lambda x: x["texts"] / x["seconds"], "callers", corpus, callers)),
                    middle(s.spread(name, "p50_ms", "callers", corpus, callers)),
                    middle(s.spread(name, "p99_ms", "callers", corpus, callers)),
                    middle(s.spread(name, "peak_mb", "callers", corpus, callers), 4),
                ])
    return table(["", "callers", "tokens/s (least – most)", "x its batch rate", "texts/s", "p50 ms", "p99 ms",
                  "MB peak"], rows)


def emphasised(s, name):
    return "**%s**" % s.titles[name] if name == OURS else s.titles[name]


def goals_table(s):
    rows = []

    def goal(text, measured, met, form):
        rows.append([text, form(measured), "—" if measured is None else "yes" if met(measured) else "no"])

    def at_least(text, measured, least, form=times):
        goal(text, measured, lambda x: x >= least, form)

    for corpus, least in (("mixed", 1.05), ("short", 1.1)):
        at_least("%s texts: %.2f x the reference" % (corpus, least), s.to_reference(OURS, corpus), least)
    for corpus in s.corpora:
        at_least("%s texts: 0.83 of the sgemm rate" % corpus, s.sgemm_share(OURS, corpus), 0.83)
    for corpus in s.corpora:
        at_least("%s texts: 3 x sentence-transformers" % corpus,
                 s.ratio((OURS, "batch", corpus), (TORCH, "batch", corpus)), 3)
    for corpus in s.corpora:
        at_least("%s texts, 64 callers of single ones: 0.9 x the batch rate" % corpus, s.of_batch(OURS, corpus, 64), 0.9)
    ours, best = one_text(s, OURS, "one_p50_ms"), one_text(s, REFERENCE, "one_forward_p50_ms")
    goal("one short text, p50: at most the reference's forward pass alone (%s ms)" % number(best), ours,
         lambda x: best is None or x <= best, lambda x: number(x) + " ms")
    loads = [x["load_ms"] for x in s.samples if x["program"] == OURS and x.get("load_ms")]
    goal("opening the model: under 300 ms", median(loads) if loads else None, lambda x: x < 300,
         lambda x: number(x) + " ms")
    memory = s.results.get("memory", {})
    if memory.get("rss_first_mb"):
        goal("peak memory over %s texts: at most 1.25 x that after the first 1,000" % format(memory["texts"], ","),
             memory["rss_peak_mb"] / memory["rss_first_mb"], lambda x: x <= 1.25, times)
    cosines = [v["smallest"] if not v["below"] else 0 for v in s.results["vectors"].get(OURS, {}).values()]
    at_least("every vector: cosine 0.99999 with %s" % s.truth, min(cosines) if cosines else None, 0.99999,
             lambda x: "—" if x is None else "%.7f" % x)
    for corpus, found in s.results.get("int8", {}).items():
        faster = s.ratio((INT8, "batch", corpus), (OURS, "batch", corpus))
        vnni = "avx512_vnni" in s.results["machine"]["sets"]
        least = 1.6 if vnni else 1.0
        at_least("int8, %s texts: %.1f x fp32 (%s VNNI)" % (corpus, least, "with" if vnni else "without"), faster, least)
        at_least("int8, %s texts: mean cosine 0.999 with fp32" % corpus, found["mean"], 0.999, lambda x: "%.5f" % x)
        at_least("int8, %s texts: recall@10 0.97 against fp32" % corpus, found["recall"], 0.97, lambda x: "%.4f" % x)
    return table(["goal", "measured", "met"], rows)


def one_text(s, program, field):
    values = [x[field] for x in s.samples if x["program"] == program and x.get(field)]
    return median(values) if values else None


def texts_of(corpus):
    return "%s texts of %d to %d tokens (%.1f on average, %s in all)" % (
        format(corpus["texts"], ","), corpus["shortest"], corpus["longest"], corpus["tokens"] / corpus["texts"],
        format(corpus["tokens"], ","))


def disturbance(s):
    others = [x["others"] for x in s.samples if "others" in x]
    if not others:
        return "What else the machine did is not known (no /proc/stat)."
    stolen = [x["stolen"] for x in s.samples if "stolen" in x]
    most = "Other processes took %.1f %% of the machine in the middle one of %d measurements, %.1f %% at most" % (
        100 * median(others), len(others), 100 * max(others))
    return most + "; the hypervisor %.1f %% and %.1f %%." % (100 * median(stolen), 100 * max(stolen))


def markdown(s):
    r, m = s.results, s.results["machine"]
    sgemm = s.sgemm()
    parts = [
        "# Benchmarks: embedding\n",
        "Written by `%s` on %s; do not edit. Every figure is the median of %d round%s, on this machine, in this one "
        "run.\n" % (r["command"], r["date"], r["rounds"], "" if r["rounds"] == 1 else "s"),
        "> A run of `--quick`: it shows that all works, its figures mean little.\n" if r["quick"] else "",
        "![Tokens per second by program](benchmarks-throughput.svg)\n",
        "![Latency by number of callers](benchmarks-latency.svg)\n",
        "## Goals\n", goals_table(s),
    ]
    for name, corpus in r["corpora"].items():
        parts += ["## %s texts\n" % name.capitalize(),
                  texts_of(corpus) + ".\n",
                  programs_table(s, name)]
    parts += ["## Many callers, each with one text at a time\n"]
    for name in r["corpora"]:
        parts += ["%s texts:\n" % name.capitalize(), callers_table(s, name)]
    parts += inside(s) + memory(s)
    parts += ["## Machine and versions\n", table(["", ""], [
        ["processor", "%s, %d cores, %s" % (m["cpu"], m["cores"], ", ".join(m["sets"]) or "instruction sets unknown")],
        ["sgemm", "%s GFLOP/s (numpy's OpenBLAS, 2048 x 2048, all cores)" % with_range(sgemm)],
        ["memory", "%d GB" % m["memory_gb"]],
        ["system", m["system"]],
        ["model", r["model"]],
    ] + [[name, version] for name, version in r["versions"].items()], numbers=False), disturbance(s) + "\n"]
    if r["unavailable"] or s.failures:
        missing = list(r["unavailable"].items()) + s.failures
        parts += ["## Not measured\n", "\n".join("- %s: %s" % (name, in_short(why)) for name, why in missing) + "\n"]
    parts += ["## Method\n", method(s)]
    return "\n".join(part for part in parts if part) + "\n"


def in_short(text):
    """What failed, and the last that it said."""
    lines = [line.strip() for line in text.splitlines()]
    return lines[0] if len(lines) < 2 else "%s: %s" % (lines[0], lines[-1])


def inside(s):
    found = s.results.get("inside", {})
    if not found or "failed" in found:
        return []
    rows = [[name, x["tokens"], "%s (%s – %s)" % tuple(number(x[k]) for k in ("ms", "from_ms", "to_ms")),
             number(x["tokens"] / x["ms"] * 1e3)] for name, x in found.items()]
    return ["## From inside\n", "One call after the other, by criterion (median and its 95 % interval).\n",
            table(["", "tokens", "ms", "tokens/s"], rows)]


def memory(s):
    x = s.results.get("memory", {})
    if not x or "failed" in x:
        return []
    return ["## Memory\n", "%s different texts of mixed length, 1,000 a call, vectors dropped: %s MB after opening, %s MB after "
            "the first call, %s MB at the peak of all others, %s MB in the end.\n" % (
                format(x["texts"], ","), *(number(x[k]) for k in ("rss_open_mb", "rss_first_mb", "rss_peak_mb", "rss_mb")))]


def method(s):
    r = s.results
    hashes = ", ".join("%s.json %s" % (name, c["sha256"][:16]) for name, c in r["corpora"].items())
    items = [
        "Texts: doc comments of the Go standard library of the version above, chosen by their SHA-256 "
        "(`benches/corpus.py`; %s)." % hashes,
        "Every measurement is a process of its own, alone, the programs by turns and each round in another order. It opens "
        "the model, embeds all texts once uncounted and once counted, then the same short text 200 times (“one text”). "
        "tokens/s counts tokens that the model uses, not padding; tokenising is counted.",
        "“x reference” and “of sgemm” are taken within each round, then the median over rounds. “of sgemm” is the work of "
        "the matrix multiplications of a pass over the processor's rate at large ones; all else that a program does makes it "
        "smaller. " + forward_only(s),
        "Callers are threads (hugot: goroutines) that embed single texts for %s s after one second of warm-up. Rates count what "
        "ends in that time; latencies also what still waits when it is over." % number(r["seconds"]),
        "Load is opening the model, with files in the page cache, without the start of the process (Python: imports). Peak is "
        "the whole process's (`ru_maxrss`).",
        "recall@10 of int8: each text of the corpus is a query against all others; of the ten nearest by fp32 vectors, so many are "
        "among the ten nearest by int8 vectors (`benches/recall.py`).",
        "“cosine < 0.999” counts vectors of the counted pass that differ from those of %s." % s.truth,
        "The reference (`benches/reference.py`): texts sorted by length, batches of 256 tokens, one session of one thread "
        "for each core; one caller has a session with all threads, many wait in one queue for those of one thread.",
        "sentence-transformers: batches of 32, on torch. hugot and fastembed: batches of 32, with ONNX Runtime, the same graph "
        "as the reference (pooling included), and a tokenizer.json that cuts at the model's limit; callers share one model, "
        "fastembed's behind a lock because it wants exclusive use. “Texts sorted”: the caller gives them longest first. "
        "“Its defaults”: hugot with the directory's own tokenizer.json, fastembed with batches of 256 and 512 tokens a text.",
    ]
    return "\n".join("- " + item for item in items)


def forward_only(s):
    shares = ["%s on %s texts" % (times(s.sgemm_share(REFERENCE, c, "forward_seconds")), c) for c in s.corpora]
    return "The reference's forward passes without tokenising: %s." % ", ".join(shares)


def console(text):
    """From the first table to before the versions; without pictures."""
    body = text[text.index("## Goals"):]
    return re.sub(r"\*\*(.*?)\*\*", r"\1    ", body.split("## Machine and versions")[0])
