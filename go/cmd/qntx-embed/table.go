package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"
)

// blockLines is how many lines of a table are aligned with each other, so that a long one needs little memory.
const blockLines = 1000

// table prints columns, cut to the width of a terminal.
type table struct {
	to      io.Writer
	width   int // 0 where there is no terminal
	text    strings.Builder
	columns *tabwriter.Writer
	lines   int
}

// newTable writes to out; terminal is what out ends at.
func newTable(out, terminal io.Writer, header ...string) *table {
	t := &table{to: out}
	if isTerminal(terminal) {
		if width, _, err := term.GetSize(int(terminal.(*os.File).Fd())); err == nil {
			t.width = width
		}
	}
	t.columns = tabwriter.NewWriter(&t.text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t.columns, strings.Join(header, "\t"))
	return t
}

func (t *table) line(cells ...string) error {
	for i := range cells {
		cells[i] = oneLine(cells[i])
	}
	fmt.Fprintln(t.columns, strings.Join(cells, "\t"))
	if t.lines++; t.lines%blockLines == 0 {
		return t.flush()
	}
	return nil
}

func (t *table) flush() error {
	if err := t.columns.Flush(); err != nil {
		return err
	}
	text := t.text.String()
	t.text.Reset()
	if t.width > 0 {
		text = cut(text, t.width)
	}
	_, err := io.WriteString(t.to, text)
	return err
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// cut shortens each line to a number of characters.
func cut(text string, width int) string {
	var short strings.Builder
	for line := range strings.Lines(text) {
		if runes := []rune(strings.TrimSuffix(line, "\n")); len(runes) > width && width > 1 {
			line = string(runes[:width-1]) + "…\n"
		}
		short.WriteString(line)
	}
	return short.String()
}
