//go:build rustembeddings && cgo

package embeddings_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/testenv"
)

// lines is a log that goroutines may share.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(data)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestAModelAndAStoreWriteToTheLoggersThatTheyWereGiven(t *testing.T) {
	var model, store lines
	service := open(t, testenv.TinyModel(t), embeddings.WithLogger(slog.New(slog.NewTextHandler(&model, nil))))
	if _, err := service.Embed(t.Context(), "a text of somebody's"); err != nil {
		t.Fatal(err)
	}
	if said := model.String(); !strings.Contains(said, "level=INFO msg=\"model 'tiny-mean' took ") || strings.Count(said, "\n") != 1 {
		t.Errorf("the model's log has %s", said)
	}

	opened, err := embeddings.OpenEmbeddingStore(":memory:", embeddings.WithStoreLogger(slog.New(slog.NewTextHandler(&store, nil))))
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	if said := store.String(); !strings.Contains(said, "019_create_embeddings_table.sql was applied") {
		t.Errorf("the store's log has %s", said)
	}
}

func TestALoggerThatPanicsStopsNothing(t *testing.T) {
	service := open(t, testenv.TinyModel(t), embeddings.WithLogger(slog.New(slog.NewTextHandler(panics{}, nil))))
	if _, err := service.Embed(t.Context(), "a text"); err != nil {
		t.Fatal(err)
	}
}

type panics struct{}

func (panics) Write([]byte) (int, error) { panic("no more paper") }
