package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// progress shows how far a long work has come: a bar on a terminal, otherwise a line now and then.
type progress struct {
	to       io.Writer
	terminal bool
	total    int64 // bytes; 0 where it is not known
	unit     string
	start    time.Time
	shown    time.Time
}

// Between two lines where there is no terminal.
const lineInterval = 2 * time.Second

// newProgress counts units, such as "items", of an input of so many bytes.
func newProgress(to io.Writer, total int64, unit string) *progress {
	now := time.Now()
	return &progress{to: to, terminal: isTerminal(to), total: total, unit: unit, start: now, shown: now}
}

// show tells how many bytes are read and how many units done.
func (p *progress) show(read int64, items int) {
	rate := float64(items) / max(time.Since(p.start).Seconds(), 1e-3)
	done := ""
	if p.total > 0 {
		done = fmt.Sprintf("%3d %%, ", min(100*read/p.total, 100))
	}
	text := fmt.Sprintf("%s%d %s, %.0f/s", done, items, p.unit, rate)
	switch {
	case p.terminal:
		bar := ""
		if p.total > 0 {
			const width = 30
			full := int(min(width*read/p.total, width))
			bar = "[" + strings.Repeat("#", full) + strings.Repeat(".", width-full) + "] "
		}
		fmt.Fprintf(p.to, "\r\x1b[K%s%s", bar, text)
	case time.Since(p.shown) >= lineInterval:
		p.shown = time.Now()
		fmt.Fprintln(p.to, strings.TrimSpace(text))
	}
}

// done takes the bar away.
func (p *progress) done() {
	if p.terminal {
		fmt.Fprint(p.to, "\r\x1b[K")
	}
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
