"""Measures how fast this library searches, side by side with other programs. Started by `make bench-search`.

README.md has more. Needs Python 3.8 or newer, and only its standard library.
"""
import argparse
import datetime
import json
import os
import shutil
import sys

import machine
import measure
import prepare
import report
import search_plots
import search_report
from run import RESULTS, only_one, save, say
from search_prepare import DATA, SearchBench

SIZES, QUICK_SIZES = (10000, 100000, 1000000), (10000,)
# More rows than these are measured in the first round only.
REPEATED = 100000


def arguments():
    parser = argparse.ArgumentParser(prog="make bench-search BENCH='…'", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true",
                        help="one round of 10,000 rows, to see that all works; writes to target/bench/search-quick")
    parser.add_argument("--rounds", type=int, help="how often each program is measured (3; with 1,000,000 rows once)")
    parser.add_argument("--seconds", type=float, help="how long callers search (1.5)")
    parser.add_argument("--rows", type=int, action="append", help="how many rows are searched; may be repeated (%s)" %
                        ", ".join(map(str, SIZES)))
    parser.add_argument("--without", action="append", default=[], metavar="NAME",
                        choices=["sqlite-vec", "faiss", "numpy", "chromem"],
                        help="leave a peer out: sqlite-vec, faiss, numpy, chromem; may be repeated")
    parser.add_argument("--report", action="store_true", help="measure nothing: write the report of the last run anew")
    a = parser.parse_args()
    for name, quick, full in (("rounds", 1, 3), ("seconds", 0.3, 1.5), ("rows", QUICK_SIZES, SIZES)):
        if getattr(a, name) is None:
            setattr(a, name, quick if a.quick else full)
    a.rows = sorted(set(a.rows))
    if any(rows < 10000 or rows % 10000 for rows in a.rows):
        parser.error("--rows %s: a multiple of 10,000 is needed, because a filter keeps one of so many" % a.rows)
    a.state = prepare.WORK / ("search-quick" if a.quick else "search-full")
    a.docs = a.state if a.quick else prepare.ROOT / "docs"
    return a


def plan(programs, sizes, rounds):
    """(round, rows, mode, program, whether its store goes then); who was first is last in the next round."""
    stores = list(dict.fromkeys(program.store for program in programs))
    for number in range(rounds):
        turn = number % len(stores)
        for rows in sizes:
            if number and rows > REPEATED:
                continue
            yield number, rows, "read", programs[0], False
            for store in stores[turn:] + stores[:turn]:
                of_store = [program for program in programs if program.store == store]
                yield number, rows, "ingest", of_store[0], False
                for program in of_store:
                    yield number, rows, "search", program, program is of_store[-1]


def measure_all(a, bench, programs, results):
    steps = list(plan(programs, a.rows, a.rounds))
    for n, (number, rows, mode, program, last) in enumerate(steps, 1):
        sample = dict(program=program.name, rows=rows, mode=mode, round=number)
        store = a.state / "stores" / program.store
        try:
            sample.update(one_measurement(a, bench, program, rows, mode, store))
            said = said_of(sample)
        except (measure.Failed, ValueError, OSError) as error:
            sample["failed"] = said = str(error)
        if last or (mode == "ingest" and "failed" in sample):
            shutil.rmtree(str(store), ignore_errors=True)
        results["samples"].append(sample)
        save(a, results)
        say("%3d/%d  round %d  %9s rows  %-17s %-6s %s" % (
            n, len(steps), number + 1, format(rows, ","), program.name, mode, said))


def one_measurement(a, bench, program, rows, mode, store):
    environment = dict(bench.environment(), **program.environment)
    if mode == "read":
        return measure.run(program.command + ["read", rows], environment)
    if mode == "ingest":
        shutil.rmtree(str(store), ignore_errors=True)
        store.mkdir(parents=True)
        result = measure.run(program.command + ["ingest", DATA, rows, store], environment)
        os.sync()  # or the search after it would be measured while its pages are written
        return dict(result, file_mb=sum(file.stat().st_size for file in store.iterdir()) / 1e6)
    if not store.exists():
        raise measure.Failed("%s has no rows to search" % program.name)
    answers = a.state / ("answers-%s-%d.json" % (program.name, rows))
    result = measure.run(program.command + ["search", DATA, rows, store, a.seconds, answers], environment)
    check = [prepare.VENV_PYTHON, prepare.HERE / "search_check.py", DATA, rows, answers]
    return dict(result, checked=measure.run(check, bench.environment()))


def said_of(sample):
    if sample["mode"] == "read":
        text = "%s ms" % report.number(sample["read_p50_ms"])
    elif sample["mode"] == "ingest":
        rate = search_report.rows_per_s(sample)
        text = "%s rows/s, %s MB" % (report.number(rate), report.number(sample["file_mb"]))
    else:
        text = "p50 ms: " + ", ".join("%s %s" % (words, report.number(search_report.cell(sample, name, 1)["p50_ms"]))
                                      for name, words in search_report.FILTERS.items())
        text += "; recall %.4f" % search_report.recall(sample)
    if sample.get("others", 0) > 0.05:
        text += "  DISTURBED: others took %.0f %% of the machine" % (100 * sample["others"])
    return text


def write_report(a, results):
    summary = search_report.Summary(results)
    text = search_report.markdown(summary)
    print("\n" + report.console(text))
    (a.docs / "benchmarks-search.md").write_text(text, "utf-8")
    (a.docs / "benchmarks-search.svg").write_text(search_plots.latency(summary), "utf-8")
    say("written: %s and a plot beside it" % os.path.relpath(str(a.docs / "benchmarks-search.md")))
    return summary


def run(a):
    if a.report:
        try:
            return write_report(a, json.loads((a.state / RESULTS).read_text("utf-8")))
        except FileNotFoundError:
            raise prepare.Unavailable("no run to report; measure first")
    say("every program runs alone, as a whole process; leave the machine alone meanwhile")
    say("about %s, and some minutes more the first time, to build and fetch what is needed (target/bench, %.0f GB)" % (
        "a minute" if a.quick else "20 minutes", 1 + max(a.rows) * 8e-6))
    lock = only_one()
    bench = SearchBench(say)
    programs = bench.prepare(a.without, a.rows)
    a.state.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(str(a.state / "stores"), ignore_errors=True)
    results = dict(
        date=datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        command="make bench-search" + (" BENCH='%s'" % " ".join(sys.argv[1:]) if sys.argv[1:] else ""), quick=a.quick,
        rounds=a.rounds, seconds=a.seconds, sizes=list(a.rows), machine=machine.processor(),
        versions=machine.search_versions(programs), programs=[[p.name, p.title] for p in programs],
        unavailable=bench.unavailable, samples=[])
    busy = os.getloadavg()[0]
    if busy > 0.5:
        say("WARNING: the machine is busy (load %.1f); figures will be too low" % busy)
    measure_all(a, bench, programs, results)
    lock.close()
    return write_report(a, results)


def main():
    a = arguments()
    try:
        summary = run(a)
    except prepare.Unavailable as error:
        sys.exit("bench: %s" % error)
    except KeyboardInterrupt:
        sys.exit("bench: interrupted; BENCH=--report shows what was measured so far")
    if summary.failures:
        sys.exit("bench: %d measurements failed, see the report" % len(summary.failures))


if __name__ == "__main__":
    main()
