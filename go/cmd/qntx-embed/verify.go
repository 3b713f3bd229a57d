package main

import (
	"context"
	"fmt"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

const manifestName = "qntx-embed.sha256.json"

func verifyCommand() command {
	return command{
		name: "verify", args: "[DIR]",
		summary: "looks whether a model's files, or the database, are as they should be",
		about: `Compares the files of a model directory with its manifest, qntx-embed.sha256.json, which has their
sizes and SHA-256 hashes: whether each is there and the same, and none is used that is not listed.
With --write it writes the manifest, of a model that you trust. The flag --require-manifest of the
other commands does the same comparison before they open a model.

Without DIR it reads the whole database and prints what is wrong with it, a problem a line; the exit
code is 1 then. With --repair, indexes that are not what the rows say are built anew. Damage to the
rows themselves stays, and needs a backup.

Examples:
  qntx-embed verify --write models/all-MiniLM-L6-v2
  qntx-embed verify models/all-MiniLM-L6-v2
  qntx-embed verify --db qntx-embed.db
  qntx-embed verify --repair
`,
		flags: func() *flags { return newFlags(withStore, withVerify, withJSON("the report on the database")) },
		run:   runVerify,
	}
}

func runVerify(ctx context.Context, f *flags, args []string, c console) error {
	switch {
	case len(args) > 1:
		return unexpected(args[1])
	case len(args) == 0 && f.write:
		return usageError("a model directory is missing: --write is for its manifest")
	case len(args) == 0:
		return verifyStore(ctx, f, c)
	case f.repair || f.json:
		return usageError(fmt.Sprintf("--repair and --json are for the database; leave %q out", args[0]))
	}
	verify, says := embeddings.CheckManifest, "%s: %d files are as %s says; fingerprint %s\n"
	if f.write {
		verify, says = embeddings.WriteManifest, "%s: %d files are listed in %s now; fingerprint %s\n"
	}
	info, err := verify(args[0])
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, says, args[0], info.Files, manifestName, info.Fingerprint)
	return nil
}

func verifyStore(ctx context.Context, f *flags, c console) error {
	store, err := openStore(f)
	if err != nil {
		return err
	}
	defer store.Close()
	report, err := store.Verify(ctx)
	if err != nil {
		return err
	}
	if f.repair && len(report.Problems) > 0 {
		repaired, err := store.Repair(ctx)
		if err != nil {
			return err
		}
		for _, problem := range repaired.Problems {
			if !f.json {
				fmt.Fprintln(c.out, problem)
			}
		}
		if report, err = store.Verify(ctx); err != nil { // what is left
			return err
		}
		report.Repaired = repaired.Repaired
	}
	if f.json {
		if err := writeJSON(c.out, report); err != nil {
			return err
		}
	} else {
		for _, what := range report.Repaired {
			fmt.Fprintln(c.out, "repaired:", what)
		}
		left := ""
		if f.repair {
			left = "left: "
		}
		for _, problem := range report.Problems {
			fmt.Fprintln(c.out, left+problem)
		}
	}
	switch n := len(report.Problems); {
	case n == 0 && !f.json:
		fmt.Fprintf(c.out, "%s: %d rows are read, and all is whole\n", f.db, report.Rows)
	case n > 0 && f.repair:
		return fmt.Errorf("%s: %d problems are left, in the rows themselves; qntx-embed delete or a backup is the way out", f.db, n)
	case n > 0:
		return fmt.Errorf("%s: %d problems; --repair builds anew what follows from the rows", f.db, n)
	}
	return nil
}
