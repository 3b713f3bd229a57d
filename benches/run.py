"""Measures how fast this library embeds, side by side with other programs. Started by `make bench`; README.md has more.

Needs Python 3.8 or newer, and only its standard library.
"""
import argparse
import datetime
import fcntl
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import machine
import measure
import plots
import prepare
import report
import vectors

CORPORA = ("mixed", "short")
CALLERS = (1, 8, 64)
RESULTS = "results.json"

# A first guess of the seconds of a measurement, for the time that is left; what was measured takes its place.
GUESS = {"batch": 20, "callers": 8, "sgemm": 2}


def say(text):
    print("bench: " + text, flush=True)


def arguments():
    parser = argparse.ArgumentParser(prog="make bench BENCH='…'", description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="the model directory")
    parser.add_argument("--onnxruntime", required=True, help="the ONNX Runtime library")
    parser.add_argument("--quick", action="store_true",
                        help="one round of 100 texts, to see that all works; writes to target/bench/quick, not to docs/")
    parser.add_argument("--rounds", type=int, help="how often each program is measured (3)")
    parser.add_argument("--seconds", type=float, help="how long callers call (4)")
    parser.add_argument("--memory-texts", type=int, help="texts of the memory measurement, 0 for none (100000)")
    parser.add_argument("--without", action="append", default=[], metavar="NAME",
                        choices=["sentence-transformers", "torch", "hugot", "fastembed"],
                        help="leave a peer out: sentence-transformers (or torch), hugot, fastembed; may be repeated")
    parser.add_argument("--defaults", action="store_true",
                        help="also hugot with tokenizer.json as published and fastembed with its defaults "
                             "(the latter takes minutes and 16 GB of memory)")
    parser.add_argument("--report", action="store_true", help="measure nothing: write the report of the last run anew")
    a = parser.parse_args()
    a.without = {"sentence-transformers" if name == "torch" else name for name in a.without}
    a.texts = 100 if a.quick else 1000
    for name, quick, full in (("rounds", 1, 3), ("seconds", 1.0, 4.0), ("memory_texts", 2000, 100000)):
        if getattr(a, name) is None:
            setattr(a, name, quick if a.quick else full)
    # Absolute: the programs run elsewhere.
    a.model, a.onnxruntime = os.path.abspath(a.model), os.path.realpath(a.onnxruntime)
    a.state = prepare.WORK / ("quick" if a.quick else "full")
    a.docs = a.state if a.quick else prepare.ROOT / "docs"
    return a


def announce(a):
    say("every program runs alone, as a whole process, %d times; leave the machine alone meanwhile" % a.rounds)
    torch = "" if prepare.VENV_PYTHON.exists() or "sentence-transformers" in a.without else \
        " and 3 GB of Python packages (6 GB on disk; BENCH='--without torch' leaves them out)"
    say("the first run builds and fetches what it needs (target/bench), about 10 minutes%s" % torch)
    say("the measurements take about %s" % ("3 minutes" if a.quick else "%d minutes" % (
        2 + 7 * a.rounds + a.memory_texts / 18000)))


def plan(programs, rounds):
    """(round, program, corpus, mode, callers) in the order of measuring: whoever was first is last in the next round."""
    for number in range(rounds):
        turn = number % len(programs)
        order = programs[turn:] + programs[:turn]
        yield number, None, None, "sgemm", None
        for corpus in CORPORA:
            for program in order:
                yield number, program, corpus, "batch", None
            for callers in CALLERS:
                for program in order:
                    if program.callers:
                        yield number, program, corpus, "callers", callers


class Clock:
    """Guesses how long the rest takes."""

    def __init__(self, steps):
        self.left, self.seen = list(steps), {}

    @staticmethod
    def key(step):
        _, program, corpus, mode, callers = step
        return (program and program.name, corpus, mode, callers)

    def done(self, seconds):
        self.seen[self.key(self.left.pop(0))] = seconds

    def minutes(self):
        return sum(self.seen.get(self.key(step), GUESS[step[3]]) for step in self.left) / 60


def measure_all(a, bench, programs, results):
    steps = list(plan(programs, a.rounds))
    clock = Clock(steps)
    for n, (number, program, corpus, mode, callers) in enumerate(steps, 1):
        start = time.monotonic()
        name = program.name if program else "sgemm"
        sample = dict(program=name, corpus=corpus, mode=mode, callers=callers, round=number)
        try:
            sample.update(one_measurement(a, bench, program, corpus, mode, callers))
            said = said_of(sample, results["corpora"])
        except (measure.Failed, ValueError) as error:
            sample["failed"] = said = str(error)
        results["samples"].append(sample)
        save(a, results)
        clock.done(time.monotonic() - start)
        what = " ".join(str(x) for x in (name, corpus, mode if callers is None else "%d caller%s" % (callers, "s" * (callers > 1))) if x)
        say("%3d/%d  round %d  %-36s %s   (%.0f min left)" % (n, len(steps), number + 1, what, said, clock.minutes()))


def one_measurement(a, bench, program, corpus, mode, callers):
    environment = bench.environment()
    if mode == "sgemm":
        return measure.run([prepare.VENV_PYTHON, prepare.HERE / "reference.py", "sgemm"], environment)
    environment.update(program.environment)
    file = corpus_file(bench, program, corpus)
    more = [vectors_file(a, program.name, corpus)] if mode == "batch" else [callers, a.seconds]
    return measure.run(program.command + [mode, file] + more, environment)


def said_of(sample, corpora):
    mode = sample["mode"]
    if mode == "sgemm":
        return "%.0f GFLOP/s" % sample["gflops"]
    tokens = corpora[sample["corpus"]]["tokens"] if mode == "batch" else sample["tokens"]
    text = "%6.0f tokens/s" % (tokens / sample["seconds"])
    if mode == "callers":
        text += "  p50 %s ms" % report.number(sample["p50_ms"])
    if sample.get("others", 0) > 0.05:
        text += "  DISTURBED: others took %.0f %% of the machine" % (100 * sample["others"])
    return text


def vectors_file(a, name, corpus):
    return a.state / ("%s-%s.f32" % (name, corpus))


def corpus_file(bench, program, corpus):
    return bench.corpora / (corpus + ("-sorted" if program.sorted_texts else "") + ".json")


def read_corpora(bench):
    """What the report says about the texts; and writes them longest first too, with each one's place."""
    config = json.loads((bench.model / "config.json").read_text("utf-8"))
    described = {}
    for name in CORPORA:
        raw = (bench.corpora / (name + ".json")).read_bytes()
        corpus = json.loads(raw.decode("utf-8"))
        tokens = corpus["tokens"]
        order = sorted(range(len(tokens)), key=lambda i: -tokens[i])
        (bench.corpora / (name + "-sorted.json")).write_text(json.dumps(
            {"texts": [corpus["texts"][i] for i in order], "tokens": [tokens[i] for i in order]}), "utf-8")
        described[name] = dict(texts=len(tokens), tokens=sum(tokens), longest=max(tokens), shortest=min(tokens),
                               sha256=hashlib.sha256(raw).hexdigest(), gflop=gflop(config, tokens), order=order)
    return described


def gflop(config, tokens):
    """Work of the matrix multiplications: those with weights for each token, and attention's for each pair of tokens."""
    dim, inner, layers = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    weights = 4 * dim * dim + 2 * dim * inner
    return layers * sum(2 * n * weights + 4 * n * n * dim for n in tokens) / 1e9


def compare_vectors(a, results, programs):
    """Each program's vectors against sentence-transformers, or against the reference where that is not there."""
    for truth in ("sentence-transformers", "reference"):
        if all(vectors_file(a, truth, corpus).exists() for corpus in CORPORA):
            break
    else:
        return
    results["truth"] = truth
    for program in programs:
        for corpus in CORPORA:
            file = vectors_file(a, program.name, corpus)
            if file.exists():
                described = results["corpora"][corpus]
                places = described["order"] if program.sorted_texts else range(described["texts"])
                results["vectors"].setdefault(program.name, {})[corpus] = vectors.compare(
                    file, vectors_file(a, truth, corpus), places)


def compare_int8(a, results):
    """Our int8 against our fp32, as a search sees it."""
    results["int8"] = {}
    for corpus in CORPORA:
        int8, fp32 = (vectors_file(a, name, corpus) for name in (report.INT8, report.OURS))
        if int8.exists() and fp32.exists():
            results["int8"][corpus] = json.loads(subprocess.check_output([
                str(prepare.VENV_PYTHON), str(prepare.HERE / "recall.py"), str(int8), str(fp32),
                str(results["corpora"][corpus]["texts"])], universal_newlines=True))


def measure_memory(a, bench, programs, results):
    ours = programs[0]
    say("memory while %d texts are embedded: about %.0f minutes" % (a.memory_texts, a.memory_texts / 15000))
    try:
        results["memory"] = measure.run(ours.command + ["memory", bench.corpora / "mixed.json", a.memory_texts],
                                        bench.environment())
    except measure.Failed as error:
        results["memory"] = {"failed": str(error)}
    save(a, results)


def measure_inside(a, bench, executable, results):
    say("from inside, with criterion: %s" % ("seconds" if a.quick else "about a minute"))
    environment = bench.environment()
    code = subprocess.call([executable, "--bench"] + (["--quick"] if a.quick else []), env=environment,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if code:
        results["inside"] = {"failed": "ended with code %d" % code}
        return
    results["inside"] = {}
    for name in ("one short text", "one long text", "batch of 64"):
        directory = Path(environment["CRITERION_HOME"], "embed", name, "new")
        median = json.loads((directory / "estimates.json").read_text())["median"]
        tokens = json.loads((directory / "benchmark.json").read_text())["throughput"]["Elements"]
        interval = median["confidence_interval"]
        results["inside"][name] = dict(tokens=tokens, ms=median["point_estimate"] / 1e6,
                                       from_ms=interval["lower_bound"] / 1e6, to_ms=interval["upper_bound"] / 1e6)
    save(a, results)


def save(a, results):
    """Whole or not at all: an interrupted run can still be reported."""
    temporary = a.state / (RESULTS + ".new")
    temporary.write_text(json.dumps(results), "utf-8")
    os.replace(str(temporary), str(a.state / RESULTS))


def write_report(a, results):
    summary = report.Summary(results)
    text = report.markdown(summary)
    print("\n" + report.console(text))
    (a.docs / "benchmarks.md").write_text(text, "utf-8")
    for name, drawing in (("throughput", plots.throughput(summary)), ("latency", plots.latency(summary))):
        (a.docs / ("benchmarks-%s.svg" % name)).write_text(drawing, "utf-8")
    say("written: %s and two plots beside it" % os.path.relpath(str(a.docs / "benchmarks.md")))
    return summary


def only_one():
    """Two runs at once would measure each other."""
    prepare.WORK.mkdir(parents=True, exist_ok=True)
    lock = open(str(prepare.WORK / "lock"), "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise prepare.Unavailable("another run of this measures already")
    return lock


def run(a):
    if a.report:
        return write_report(a, json.loads((a.state / RESULTS).read_text("utf-8")))
    announce(a)
    lock = only_one()
    bench = prepare.Workbench(a.model, a.onnxruntime, a.texts, say)
    programs = bench.prepare(a.without, a.defaults)
    inside = bench.build_criterion()
    a.state.mkdir(parents=True, exist_ok=True)
    for old in a.state.glob("*.f32"):
        old.unlink()
    command = "make bench" + (" BENCH='%s'" % a.flags if a.flags else "")
    results = dict(
        date=datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"), command=command,
        model=os.path.basename(a.model), quick=a.quick, rounds=a.rounds, seconds=a.seconds, machine=machine.processor(),
        versions=machine.versions(a.onnxruntime, programs), programs=[[p.name, p.title] for p in programs],
        unavailable=bench.unavailable, corpora=read_corpora(bench), samples=[], vectors={})
    busy = os.getloadavg()[0]
    if busy > 0.5:
        say("WARNING: the machine is busy (load %.1f); figures will be too low" % busy)
    measure_all(a, bench, programs, results)
    compare_vectors(a, results, programs)
    compare_int8(a, results)
    save(a, results)
    measure_inside(a, bench, inside, results)
    if a.memory_texts:
        measure_memory(a, bench, programs, results)
    lock.close()
    return write_report(a, results)


def main():
    a = arguments()
    given = iter(sys.argv[1:])
    a.flags = " ".join(x for x in given if not (x in ("--model", "--onnxruntime") and next(given)))
    try:
        summary = run(a)
    except prepare.Unavailable as error:
        sys.exit("bench: %s" % error)
    except FileNotFoundError as error:
        sys.exit("bench: %s" % error)
    except KeyboardInterrupt:
        sys.exit("bench: interrupted; BENCH=--report shows what was measured so far")
    if summary.failures:
        sys.exit("bench: %d measurements failed, see the report" % len(summary.failures))


if __name__ == "__main__":
    main()
