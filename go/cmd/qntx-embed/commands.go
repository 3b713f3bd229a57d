package main

import (
	"context"
	"fmt"
	"strings"
)

// command is one word after "qntx-embed".
type command struct {
	name    string
	args    string // after the name, in the usage line
	summary string
	about   string
	flags   func() *flags
	run     func(ctx context.Context, f *flags, args []string, c console) error
}

// commands in the order in which a newcomer meets them. A function, because help lists them and is one of them.
func commands() []command {
	return []command{
		{
			name: "ingest", args: "FILE.jsonl",
			summary: "embeds the texts of a file and stores them",
			about: `Reads a file with one JSON object a line, {"source_type", "source_id", "text"}, embeds the texts
and stores them in the database, which is made where it is missing. "-" reads standard input. A
line may have "metadata" too, a flat object of strings, numbers, booleans and nulls, for filters.

A source that is there already gets the new text; one with the same text costs nothing, so the
same file can be ingested again. Texts are embedded with the model's prompt named "document", if
it has one, and queries with that named "query". Lines are stored in batches of ` + fmt.Sprint(batchSize) + `, all or
nothing each: a line that is wrong is named, and nothing of its batch is stored.

With --chunk-tokens, long texts are stored in chunks, so that nothing of them is lost to the model's
limit. Chunks of a text that was changed take the place of those that it had, and those whose
text is the same are not embedded again.

Examples:
  qntx-embed ingest examples/corpus.jsonl
  qntx-embed ingest --chunk-tokens 128 --chunk-overlap 32 examples/corpus.jsonl
  jq -c '{source_type: "note", source_id: .id, text: .body}' notes.json | qntx-embed ingest -
`,
			flags: func() *flags { return newFlags(withModel, withStore, withChunks) },
			run:   runIngest,
		},
		{
			name: "search", args: "[QUERY]",
			summary: "finds the stored texts that mean what a query means",
			about: `Embeds the query, with the model's prompt named "query" if it has one, and prints the stored texts
nearest to it, best first. With --mode keywords it finds texts that have one of the words; with
--mode hybrid, both. With --like there is no query: what is near to a stored row is found.

Examples:
  qntx-embed search "how do I stop the pump"
  qntx-embed search "how do I stop the pump" --limit 3 --threshold 0.5
  qntx-embed search "how do I stop the pump" --filter '["=", "source_type", "manual"]'
  qntx-embed search "panel A" --mode hybrid --words-weight 2
  qntx-embed search "pump" --details            # shows ids, and where the next page begins
  qntx-embed search --like 019a8b7c-2f64-7cc3-98c4-dc0c0c07398f --group
  qntx-embed search --json "how do I stop the pump" | jq '.results[].source_id'
`,
			flags: func() *flags {
				return newFlags(withModel, withStore, withSearch, withJSON("what the server would answer"))
			},
			run: runSearch,
		},
		putCommand(), copyCommand(), listCommand(), getCommand(), countCommand(), deleteCommand(), statsCommand(),
		{
			name: "embed", args: "TEXT...",
			summary: "prints the vectors of texts",
			about: `Prints the vector of each text as a JSON array on a line of its own. "-" reads texts from standard
input, one a line, any number of them.

Examples:
  qntx-embed embed "a cat sat on the mat"
  qntx-embed embed - <sentences.txt >vectors.jsonl
  qntx-embed embed --prompt-name query "how do I stop the pump"
`,
			flags: func() *flags { return newFlags(withModel, withEmbedding) },
			run:   runEmbed,
		},
		{
			name:    "serve",
			summary: "answers searches and embedding requests over HTTP",
			about: `Opens the model and the database, which is made where it is missing, and answers

  GET  /api/search/semantic?q=&limit=&threshold=    and the flags of qntx-embed search, with _ for -
  POST /api/embeddings/generate   {"text"}, and optionally "prompt_name" or "prompt", "dimensions",
                                  and "truncate": "default", "right", "left" or "error"
  POST /api/embeddings/batch      {"items": [{"source_type", "source_id", "text", "metadata"}]},
                                  where metadata may be left out, or {"attestation_ids": [...]}, or
                                  a stream of items, one a line
  POST /api/embeddings/reindex    moves the database to the model, and says how far it is
  POST /v1/embeddings             as OpenAI's clients send it
  GET  /api/embeddings/info, /v1/models, /livez, /readyz, /metrics, /openapi.json

until it gets SIGTERM or SIGINT (Ctrl-C); docs/api.md says more of each. SIGHUP reads the files of
keys and certificates again. The log goes to standard error and has no texts in it.

Examples:
  qntx-embed serve
  qntx-embed serve --config qntx-embed.toml
  curl 'http://127.0.0.1:8787/api/search/semantic?q=how+do+I+stop+the+pump&limit=3'
  curl --json '{"text": "a cat"}' http://127.0.0.1:8787/api/embeddings/generate
`,
			flags: func() *flags { return newFlags(withModel, withStore, withServer) },
			run:   runServe,
		},
		{
			name: "config", args: "check|example",
			summary: "checks the settings of serve, or prints a file of them",
			about: `check reads what "serve" with the same flags would read: the configuration file, the environment,
the files of keys and certificates; and prints where each setting comes from. A key or a variable
that there is not is an error. example prints a file with all settings and what each does.

Examples:
  qntx-embed config example >qntx-embed.toml
  qntx-embed config check --config qntx-embed.toml
`,
			flags: allSettings,
			run:   runConfig,
		},
		{
			name: "key", args: "NAME",
			summary: "makes a key for a client of the server",
			about: `Makes a key and prints it on standard error, and on standard output its entry for the file that
serve --keys names. The file has only the hash of the key, so it can be printed just this once; the
name is for people and the log. A server that runs reads the file again when it gets SIGHUP.

Examples:
  qntx-embed key reports >>keys.toml
  qntx-embed key --role write importer >>keys.toml
  qntx-embed serve --keys keys.toml --listen :8787
`,
			flags: func() *flags { return newFlags(withKey) },
			run:   runKey,
		},
		{
			name:    "reindex",
			summary: "moves the database to another model",
			about: `Embeds the texts of all rows of other models with this one, beside the old rows, which go on to
answer searches by their model. When none is missing, the old rows are deleted in one step, and
the new ones get their ids. What is written to the database meanwhile is not lost. It can be
stopped at any time (Ctrl-C): run again, it goes on where it was.

To move a server that runs without a gap: reindex with --keep-old, start the server again with
the new model, and reindex once more without it.

Examples:
  qntx-embed reindex --model models/all-mpnet-base-v2
  qntx-embed reindex --model models/all-mpnet-base-v2 --keep-old
`,
			flags: func() *flags { return newFlags(withModel, withStore, withReindex) },
			run:   runReindex,
		},
		verifyCommand(), backupCommand(), optimizeCommand(), completionCommand(),
		{
			name: "migrate", args: "FILE",
			summary: "adopts a database of the original system",
			about: `Says what would become of each row of a database of the original system (tables embeddings and
vec_embeddings), and with --apply does it: in one transaction, after a copy of the file was made.
Texts, ids and times are kept. The old vectors cannot be compared with those of today, so a search
finds the rows again when qntx-embed reindex has embedded their texts anew. Other tables in the
file stay as they are. docs/migration.md is the whole way.

Examples:
  qntx-embed migrate old.db
  qntx-embed migrate --apply old.db
  qntx-embed reindex --db old.db
`,
			flags: func() *flags { return newFlags(withMigration) },
			run:   runMigrate,
		},
		{
			name:    "version",
			summary: "prints the version",
			about:   "Prints the versions of this program, of the native library in it, and of Go.\n",
			flags:   func() *flags { return newFlags() },
			run:     runVersion,
		},
	}
}

func find(name string) (*command, error) {
	names := []string{"help"}
	for _, cmd := range commands() {
		if cmd.name == name {
			return &cmd, nil
		}
		names = append(names, cmd.name)
	}
	return nil, usageError(fmt.Sprintf("unknown command %q%s; see qntx-embed help", name, nearest("", name, names)))
}

func help(args []string, c console) error {
	if len(args) == 0 {
		fmt.Fprint(c.out, overview())
		return nil
	}
	if args[0] == "man" {
		fmt.Fprint(c.out, man())
		return nil
	}
	cmd, err := find(args[0])
	if err != nil {
		return err
	}
	fmt.Fprint(c.out, cmd.help())
	return nil
}

func overview() string {
	var text strings.Builder
	text.WriteString("qntx-embed embeds texts, keeps them in a database file and searches them by meaning.\n\nCommands:\n")
	for _, cmd := range commands() {
		fmt.Fprintf(&text, "  %-10s %s\n", cmd.name, cmd.summary)
	}
	text.WriteString(`  help       says more: qntx-embed help COMMAND; qntx-embed help man is a manual page

In short:
  qntx-embed ingest examples/corpus.jsonl
  qntx-embed search "how do I stop the pump"
`)
	return text.String()
}

func (cmd *command) help() string {
	flags := cmd.flags()
	usage := strings.TrimRight("qntx-embed "+cmd.name+" "+cmd.args, " ")
	text := "qntx-embed " + cmd.name + " " + cmd.summary + ".\n\n"
	list := flags.help()
	if list != "" {
		usage += " [flags]"
		list = "\nFlags:\n" + list
	}
	if len(flags.settings) > 0 {
		list += "\nSettings can stand in the environment too, --max-tokens as QNTX_EMBED_MAX_TOKENS, and in a file, as\n" +
			"max_tokens: qntx-embed help config.\n"
	}
	return text + "Usage:\n  " + usage + "\n\n" + cmd.about + list
}
