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

	sqlite3 "github.com/mattn/go-sqlite3"

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
	store, err := embeddings.OpenStore(ours)
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
	var notes int
	var version string
	if err := db.QueryRowContext(ctx, "SELECT count(*), sqlite_version() FROM notes").Scan(&notes, &version); err != nil {
		return err
	}
	header, _, _ := sqlite3.Version()
	if notes != 20 || version != header {
		return fmt.Errorf("mattn/go-sqlite3 has %d notes of 20, and says version %s, its own being %s", notes, version, header)
	}
	if _, err := db.ExecContext(ctx, "SELECT vec_version()"); err == nil {
		return fmt.Errorf("mattn's connection has our sqlite-vec")
	}
	query, err := service.Embed(ctx, "kittens")
	if err != nil {
		return err
	}
	found, err := store.Search(ctx, query, 3)
	if err != nil {
		return err
	}
	if len(found) != 3 {
		return fmt.Errorf("our store found %d rows of 3", len(found))
	}
	fmt.Printf("mattn: SQLite %s, %d notes; ours: %.4f %q\n", version, notes, found[0].Similarity, found[0].Text)
	return nil
}
