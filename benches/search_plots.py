"""Draws the latencies of a search: a row of panels for each filter, a column for each number of rows."""
import report
from plots import BAR, GAP, MARGIN, NAMES, ROW, WIDTH, Drawing
from search_report import FILTERS, OURS


def latency(s):
    machine = s.results["machine"]
    drawing = Drawing("The ten nearest rows, one caller", "Milliseconds: p50 (full colour) and p99 (pale); less is better. "
                      "%s, %d cores. Every panel has its own scale." % (machine["cpu"], machine["cores"]))
    sizes = [rows for rows in s.results["sizes"] if s.measured(rows)]
    if not sizes:
        return drawing.svg()
    left = MARGIN + NAMES
    column = (WIDTH - MARGIN - left) / len(sizes)
    programs = s.measured(sizes[-1])
    for place, (name, words) in enumerate(FILTERS.items()):
        drawing.y += (2 if place == 0 else 3) * GAP
        drawing.text(MARGIN, drawing.y, "No filter" if name == "all" else "Filter keeps %s" % words, "head")
        top = drawing.y
        for program_place, program in enumerate(programs):
            drawing.text(left - 10, top + (program_place + 1) * ROW + 4.5 - GAP + BAR / 2, s.titles[program],
                         "end " + kind(program))
        for column_place, rows in enumerate(sizes):
            panel(drawing, s, programs, name, rows, left + column_place * column, top, column)
        drawing.y = top + len(programs) * ROW + 4
    return drawing.svg()


def panel(drawing, s, programs, name, rows, start, top, width):
    drawing.text(start, top, "%s rows" % format(rows, ","), "soft")
    figures = [(program, s.latency(program, rows, name, 1), s.latency(program, rows, name, 1, "p99_ms"))
               for program in programs]
    scale = (width - 108) / max([p99.median for _, _, p99 in figures if p99] or [1])
    y = top
    for program, p50, p99 in figures:
        y += ROW
        if p50:
            drawing.bar(start, y - GAP, p99.median * scale, kind(program) + " far")
            drawing.bar(start, y - GAP, p50.median * scale, kind(program))
            drawing.text(start + p99.median * scale + 7, y + 4.5 - GAP + BAR / 2, "%s / %s" % (
                report.number(p50.median), report.number(p99.median)), kind(program))


def kind(program):
    return "ours" if program == OURS else ""
