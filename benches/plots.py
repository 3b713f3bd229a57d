"""Draws a run's figures as SVG that reads well on light and on dark."""
from xml.sax.saxutils import escape

import report

WIDTH, MARGIN, NAMES = 880, 24, 180
ROW, BAR, GAP = 26, 14, 12

# Each picture brings its own background: the page that shows it may be dark where the reader's system is light.
STYLE = """
  text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
  .title { font-size: 16px; font-weight: 600 }
  .head { font-weight: 600 }
  .ours { font-weight: 600 }
  .soft { fill: #59636e; font-size: 12px }
  .end { text-anchor: end }
  .value { paint-order: stroke; stroke: #ffffff; stroke-width: 4px }
  .card { fill: #ffffff; stroke: #d1d9e0 }
  .bar { fill: #afb8c1 } .bar.ours { fill: #0969da } .bar.reference { fill: #6e7781 }
  .far { opacity: .38 }
  .line { stroke: #6e7781; stroke-width: 1; stroke-dasharray: 3 3 }
  .range { stroke: #1f2328; stroke-width: 1.2 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .soft { fill: #9198a1 } .value { stroke: #0d1117 }
    .card { fill: #0d1117; stroke: #3d444d }
    .bar { fill: #4d5763 } .bar.ours { fill: #4493f8 } .bar.reference { fill: #8b949e }
    .line { stroke: #8b949e } .range { stroke: #e6edf3 }
  }
"""


class Drawing:
    def __init__(self, title, subtitle):
        self.title, self.parts, self.y = title, [], MARGIN + 14
        self.text(MARGIN, self.y, title, "title")
        self.y += 20
        self.text(MARGIN, self.y, subtitle, "soft")
        self.y += 14

    def text(self, x, y, text, kind=""):
        self.parts.append('<text x="%.1f" y="%.1f" class="%s">%s</text>' % (x, y, kind, escape(text)))

    def bar(self, x, y, width, kind):
        self.parts.append('<rect x="%.1f" y="%.1f" width="%.1f" height="%d" rx="2" class="bar %s"/>' % (
            x, y, max(width, 1), BAR, kind))

    def line(self, x1, y1, x2, y2, kind):
        self.parts.append('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="%s"/>' % (x1, y1, x2, y2, kind))

    def svg(self):
        height = self.y + MARGIN
        return ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">\n'
                '<title>%s</title>\n<style>%s</style>\n'
                '<rect x="0.5" y="0.5" width="%d" height="%d" rx="8" class="card"/>\n%s\n</svg>\n' % (
                    WIDTH, height, WIDTH, height, escape(self.title), STYLE, WIDTH - 1, height - 1,
                    "\n".join(self.parts)))


def throughput(s):
    machine, rounds = s.results["machine"], s.results["rounds"]
    drawing = Drawing("Tokens per second, all texts in one call", "%s, %d cores. %sThe dashed line is the reference." % (
        machine["cpu"], machine["cores"], "" if rounds == 1 else "Lines show least and most of %d rounds. " % rounds))
    left, right = MARGIN + NAMES, WIDTH - MARGIN - 130
    for corpus in s.corpora:
        names = s.measured(corpus)
        if not names:
            continue
        described = s.results["corpora"][corpus]
        drawing.y += 2 * GAP
        drawing.text(MARGIN, drawing.y, "%s texts" % corpus.capitalize(), "head")
        drawing.text(left, drawing.y, "%d to %d tokens, %.0f on average" % (
            described["shortest"], described["longest"], described["tokens"] / described["texts"]), "soft")
        drawing.y += GAP
        most = max(s.tokens_per_s(name, corpus).most for name in names)

        def at(value):
            return left + (right - left) * value / most

        reference = s.tokens_per_s(report.REFERENCE, corpus)
        if reference:  # before the numbers, which cover it
            x, bottom = at(reference.median), drawing.y + (len(names) - 1) * ROW + BAR
            drawing.line(x, drawing.y - 4, x, bottom + 4, "line")
        for name in names:
            rate, middle = s.tokens_per_s(name, corpus), drawing.y + BAR / 2
            drawing.text(left - 10, middle + 4.5, label(s, name), "end " + kind(name))
            drawing.bar(left, drawing.y, at(rate.median) - left, kind(name))
            if rounds > 1:
                drawing.line(at(rate.least), middle, at(rate.most), middle, "range")
            ratio = s.to_reference(name, corpus)
            drawing.text(at(max(rate.most, rate.median)) + 8, middle + 4.5, "%s%s" % (
                report.number(rate.median), "" if ratio is None else " · %.2f×" % ratio), "value " + kind(name))
            drawing.y += ROW
    return drawing.svg()


def latency(s):
    drawing = Drawing("Latency of a single text, by number of callers",
                      "Milliseconds: p50 (full colour) and p99 (pale). Every panel has its own scale.")
    names = [name for name in s.measured(s.corpora[0]) if any(
        s.of(name, "callers", corpus, callers) for corpus in s.corpora for callers in s.callers)]
    if not names or not s.callers:
        return drawing.svg()
    left = MARGIN + NAMES - 20
    column = (WIDTH - MARGIN - left) / len(s.callers)
    for number, corpus in enumerate(reversed(s.corpora)):
        drawing.y += (2 if number == 0 else 3) * GAP
        drawing.text(MARGIN, drawing.y, "%s texts" % corpus.capitalize(), "head")
        top = drawing.y
        for place, callers in enumerate(s.callers):
            start, y = left + place * column, top
            drawing.text(start, y, "%d caller%s" % (callers, "" if callers == 1 else "s"), "soft")
            figures = {name: [s.spread(name, field, "callers", corpus, callers) for field in ("p50_ms", "p99_ms")]
                       for name in names}
            most = max([p99.median for _, p99 in figures.values() if p99] or [1])
            scale = (column - 108) / most
            for name, (p50, p99) in figures.items():
                y += ROW
                if place == 0:
                    drawing.text(left - 10, y + 4.5 - GAP + BAR / 2, label(s, name), "end " + kind(name))
                if p50:
                    drawing.bar(start, y - GAP, p99.median * scale, kind(name) + " far")
                    drawing.bar(start, y - GAP, p50.median * scale, kind(name))
                    drawing.text(start + p99.median * scale + 7, y + 4.5 - GAP + BAR / 2, "%s / %s" % (
                        report.number(p50.median), report.number(p99.median)), kind(name))
            drawing.y = max(drawing.y, y + 4)
    return drawing.svg()


def label(s, name):
    return s.titles[name].split(" (")[0]


def kind(name):
    return {report.OURS: "ours", report.REFERENCE: "reference"}.get(name, "")
