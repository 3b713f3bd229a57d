// Command coexist works with mattn/go-sqlite3 and with our store in one process: each must run on its own SQLite.
//
//	coexist MODEL_DIRECTORY OURS.db THEIRS.db
package main

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"os"

	_ "github.com/mattn/go-sqlite3"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

func main() {
	log.SetFlags(0)
	if err := run(context.Background(), os.Args[1], os.Args[2], os.Args[3]); err != nil {
		log.Fatal("coexist: ", err)
	}
}

func run(ctx context.Context, model, ours, theirs string) error {
	db, err := sql.Open("sqlite3", theirs)
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, "CREATE TABLE notes (text TEXT)"); err != nil {
		return err
	}
	service, err := embeddings.NewManagedEmbeddingService(model)
	if err != nil {
		return err
	}
	defer service.Close()
	store, err := embeddings.OpenEmbeddingStore(ours)
	if err != nil {
		return err
	}
	defer store.Close()

	// By turns, so that one that runs on the other's copy would stumble.
	for i := range 20 {
		text := fmt.Sprintf("note %d about cats", i)
		if _, err := db.ExecContext(ctx, "INSERT INTO notes VALUES (?)", text); err != nil {
			return err
		}
		if _, err := embeddings.Ingest(ctx, service, store, []embeddings.Item{
			{SourceType: "note", SourceID: fmt.Sprint(i), Text: text},
		}); err != nil {
			return err
		}
	}
	// Both may be of one version. But mattn's has no FTS5, without which our store could not be opened, and ours has.
	var notes int
	var version string
	var words bool
	query := "SELECT count(*), sqlite_version(), sqlite_compileoption_used('ENABLE_FTS5') FROM notes"
	if err := db.QueryRowContext(ctx, query).Scan(&notes, &version, &words); err != nil {
		return err
	}
	if notes != 20 || words {
		return fmt.Errorf("mattn/go-sqlite3 has %d notes of 20, and has FTS5: %v; it must not, its own has none", notes, words)
	}
	if _, err := db.ExecContext(ctx, "SELECT vec_version()"); err == nil {
		return fmt.Errorf("mattn's connection has our sqlite-vec")
	}
	kittens, err := service.Embed(ctx, "kittens", embeddings.WithPromptName(embeddings.PromptQuery))
	if err != nil {
		return err
	}
	info, err := service.ModelInfo(ctx)
	if err != nil {
		return err
	}
	found, err := store.Search(ctx, kittens.Vector, embeddings.SearchOptions{Fingerprint: info.Fingerprint, Limit: 3})
	if err != nil {
		return err
	}
	if len(found) != 3 {
		return fmt.Errorf("our store found %d rows of 3", len(found))
	}
	fmt.Printf("mattn: SQLite %s, %d notes; ours: %.4f %q\n", version, notes, found[0].Similarity, found[0].Text)
	return nil
}
