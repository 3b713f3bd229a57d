package main

import (
	"flag"
	"fmt"
	"strings"
)

// man is the manual page, in the roff of man(7): the help of all commands, from the same table.
func man() string {
	var page strings.Builder
	fmt.Fprintf(&page, ".TH QNTX\\-EMBED 1 \"\" \"libqntx_embed %s\" \"User Commands\"\n", version)
	page.WriteString(".SH NAME\nqntx\\-embed \\- sentence embeddings and semantic search\n.SH SYNOPSIS\n")
	for _, cmd := range commands() {
		fmt.Fprintf(&page, ".B qntx\\-embed %s\n%s\n.br\n", roff(cmd.name), roff(strings.TrimSpace(cmd.args+" [flags]")))
	}
	page.WriteString(".SH DESCRIPTION\nEmbeds texts, keeps them in a database file and searches them by meaning.\n")
	for _, cmd := range commands() {
		fmt.Fprintf(&page, ".SH QNTX\\-EMBED %s\n", strings.ToUpper(roff(cmd.name)))
		// As it is laid out: it has lists and examples.
		fmt.Fprintf(&page, ".nf\n%s\n.fi\n", roff(strings.TrimSpace(cmd.about)))
		cmd.flags().set.VisitAll(func(known *flag.Flag) {
			value, usage := described(known)
			fmt.Fprintf(&page, ".TP\n.B \\-\\-%s\n%s\n", roff(strings.TrimSpace(known.Name+" "+value)), roff(usage))
		})
	}
	page.WriteString(".SH FILES\n.TP\n.I qntx\\-embed.db\nthe database, in the directory where a command runs, unless it is named\n")
	page.WriteString(".SH EXIT STATUS\n0 after success, 1 after a failure, 2 for a command line that is not understood\n")
	return page.String()
}

// roff is text that means itself.
func roff(text string) string {
	lines := strings.Split(strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
