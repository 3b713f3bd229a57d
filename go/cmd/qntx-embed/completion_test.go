package main

import (
	"os/exec"
	"strings"
	"testing"
)

func TestBashCompletesWhatThereIs(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	complete := func(words ...string) string {
		t.Helper()
		script := completion() + `COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _qntx_embed; printf '%s ' "${COMPREPLY[@]}"`
		cmd := exec.CommandContext(t.Context(), bash, append([]string{"-c", script, "bash", "qntx-embed"}, words...)...)
		cmd.Dir = t.TempDir()
		output, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, output)
		}
		return strings.TrimSpace(string(output))
	}
	for _, test := range []struct {
		words []string
		want  string
	}{
		{[]string{"ser"}, "serve"},
		{[]string{"help", "ing"}, "ingest"},
		{[]string{"serve", "--cors"}, "--cors-origins"},
		{[]string{"serve", "--log-format", ""}, "text json"},
		{[]string{"serve", "--log-format", "j"}, "json"},
		{[]string{"serve", "--nfc", "--tls-k"}, "--tls-key"},
		{[]string{"key", "--role", "w"}, "write"},
		{[]string{"search", "--cors"}, ""},
		{[]string{"version", "--"}, "--help"},
	} {
		if got := complete(test.words...); got != test.want {
			t.Errorf("%q: %q; expected %q", test.words, got, test.want)
		}
	}
	if got := complete(""); len(strings.Fields(got)) != len(commands())+1 {
		t.Errorf("commands: %q", got)
	}
}
