//go:build rustembeddings && cgo

package embeddings_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/capi"
	"github.com/teranos/libqntx_embed/go/internal/embedtest"
	"github.com/teranos/libqntx_embed/go/internal/testenv"
)

// TestMain fails where a test has left a handle open; builds with the tag qntx_debug see it. The examples name files as they lie
// in the repository.
func TestMain(m *testing.M) {
	if err := os.Chdir("../.."); err != nil {
		panic(err)
	}
	testenv.Main(m, capi.Live)
}

func open(t *testing.T, directory string, options ...embeddings.Option) *embeddings.ManagedEmbeddingService {
	t.Helper()
	options = append(options, embeddings.WithONNXRuntime(testenv.ONNXRuntime(t)))
	service, err := embeddings.NewManagedEmbeddingService(directory, options...)
	if err != nil {
		t.Fatal(err)
	}
	if err := service.Initialize(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { service.Close() })
	return service
}

func openStore(t *testing.T, path string) *embeddings.EmbeddingStore {
	t.Helper()
	store, err := embeddings.OpenEmbeddingStore(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func TestVectorsAreThoseOfSentenceTransformers(t *testing.T) {
	service := open(t, testenv.Model(t))
	info, err := service.GetModelInfo()
	if err != nil {
		t.Fatal(err)
	}
	if info.Dimensions != 384 || info.MaxTokens != 256 || len(info.Fingerprint) != 64 || !strings.HasPrefix(info.ONNXRuntime, "1.") {
		t.Fatalf("%+v", info)
	}
	golden := testenv.Golden(t)
	texts := make([]string, len(golden))
	for i, g := range golden {
		texts[i] = g.Text
	}
	batch, err := service.EmbedBatch(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	tokens := 0
	for i, g := range golden {
		alone, err := service.Embed(t.Context(), g.Text)
		if err != nil {
			t.Fatal(err)
		}
		for how, result := range map[string]embeddings.EmbeddingResult{"alone": *alone, "in a batch": batch.Results[i]} {
			if cosine := testenv.Cosine(t, result.Vector, g.Vector); cosine < 0.99999 {
				t.Errorf("%.40q %s: cosine %v", g.Text, how, cosine)
			}
			if result.Tokens != g.Tokens || result.FullTokens != g.FullTokens || result.Truncated != g.Truncated {
				t.Errorf("%.40q %s: %d of %d tokens, truncated %v; expected %d of %d, %v", g.Text, how,
					result.Tokens, result.FullTokens, result.Truncated, g.Tokens, g.FullTokens, g.Truncated)
			}
			if result.InferenceTime <= 0 || result.InferenceTime > time.Minute {
				t.Errorf("%.40q %s took %v", g.Text, how, result.InferenceTime)
			}
		}
		tokens += g.Tokens
	}
	if batch.TotalTokens != tokens {
		t.Errorf("%d tokens in all; expected %d", batch.TotalTokens, tokens)
	}
}

func TestInt8IsNearToTheGoldenVectors(t *testing.T) {
	service := open(t, testenv.Model(t), embeddings.WithPrecision(embeddings.PrecisionInt8))
	info, err := service.GetModelInfo()
	if err != nil {
		t.Fatal(err)
	}
	if info.Precision != embeddings.PrecisionInt8 || info.Precision.String() != "int8" {
		t.Errorf("%+v", info)
	}
	for _, g := range testenv.Golden(t) {
		result, err := service.Embed(t.Context(), g.Text)
		if err != nil {
			t.Fatal(err)
		}
		if cosine := testenv.Cosine(t, result.Vector, g.Vector); cosine < 0.998 {
			t.Errorf("%.40q: cosine %v", g.Text, cosine)
		}
	}
}

func TestTheNamesWithoutContextDoTheSame(t *testing.T) {
	service := open(t, testenv.TinyModel(t))
	one, err := service.Embed(t.Context(), "the cat")
	if err != nil {
		t.Fatal(err)
	}
	same, err := service.GenerateEmbedding("the cat")
	if err != nil || !slices.Equal(one.Vector, same.Vector) {
		t.Fatal(same, err)
	}
	batch, err := service.GenerateBatchEmbeddings([]string{"a dog", "the cat"})
	if err != nil || len(batch.Results) != 2 || testenv.Cosine(t, batch.Results[1].Vector, one.Vector) < 0.999999 {
		t.Fatal(batch, err)
	}
	if empty, err := service.GenerateBatchEmbeddings(nil); err != nil || len(empty.Results) != 0 {
		t.Fatal(empty, err)
	}

	answer, err := service.HandleEmbeddingRequest(&embeddings.EmbeddingRequest{Texts: []string{"a dog", "the cat"}})
	if err != nil || len(answer.Embeddings) != 2 || len(answer.Truncated) != 2 ||
		answer.Tokens != batch.TotalTokens || answer.Dimensions != len(one.Vector) || answer.InferenceMS <= 0 ||
		testenv.Cosine(t, answer.Embeddings[1], one.Vector) < 0.999999 {
		t.Fatal(answer, err)
	}
	if answer, err := service.HandleEmbeddingRequest(&embeddings.EmbeddingRequest{Text: "the cat"}); err != nil ||
		len(answer.Embeddings) != 1 || !slices.Equal(answer.Embeddings[0], one.Vector) {
		t.Fatal(answer, err)
	}
	for _, request := range []embeddings.EmbeddingRequest{{}, {Text: "a", Texts: []string{"b"}}} {
		if _, err := service.HandleEmbeddingRequest(&request); !errors.Is(err, embeddings.ErrInvalidArgument) {
			t.Errorf("%+v: %v", request, err)
		}
	}
}

func TestAppendingToAVectorLeavesTheNextOneAlone(t *testing.T) {
	service := open(t, testenv.TinyModel(t))
	batch, err := service.GenerateBatchEmbeddings([]string{"the cat", "a dog"})
	if err != nil {
		t.Fatal(err)
	}
	before := batch.Results[1].Vector[0]
	_ = append(batch.Results[0].Vector, 1234)
	if after := batch.Results[1].Vector[0]; after != before {
		t.Fatalf("%v has become %v", before, after)
	}
}

func TestTexts(t *testing.T) {
	service := open(t, testenv.TinyModel(t))
	if _, err := service.GenerateBatchEmbeddings([]string{"good", "bad \xff"}); !errors.Is(err, embeddings.ErrInvalidUTF8) ||
		!strings.Contains(err.Error(), "text 1") {
		t.Errorf("invalid UTF-8: %v", err)
	}
	// A text that ended at its NUL would have fewer tokens.
	whole, err := service.GenerateEmbedding("the\x00cat sat")
	if err != nil {
		t.Fatal(err)
	}
	part, err := service.GenerateEmbedding("the")
	if err != nil {
		t.Fatal(err)
	}
	if whole.Tokens <= part.Tokens {
		t.Errorf("%d tokens with what follows the NUL, %d without", whole.Tokens, part.Tokens)
	}
	if empty, err := service.GenerateEmbedding(""); err != nil || len(empty.Vector) == 0 {
		t.Errorf("the empty text: %v", err)
	}
}

func TestOptionsReachTheLibrary(t *testing.T) {
	short := open(t, testenv.TinyModel(t), embeddings.WithMaxTokens(4), embeddings.WithThreads(1),
		embeddings.WithFormat(embeddings.FormatSafetensors))
	result, err := short.GenerateEmbedding("the cat sat on the mat")
	if err != nil {
		t.Fatal(err)
	}
	if info, err := short.GetModelInfo(); err != nil || info.MaxTokens != 4 || result.Tokens != 4 || !result.Truncated || result.FullTokens <= 4 {
		t.Fatalf("%+v, %+v, error %v", info, result, err)
	}
	onnx, err := embeddings.NewManagedEmbeddingService(testenv.TinyModel(t),
		embeddings.WithFormat(embeddings.FormatONNX), embeddings.WithONNXRuntime(testenv.ONNXRuntime(t)))
	if err != nil {
		t.Fatal(err)
	}
	if err := onnx.Initialize(); !errors.Is(err, embeddings.ErrModelNotFound) {
		t.Errorf("there is no ONNX file to run: %v", err)
	}
}

func TestErrorsOfAModelHaveTheirKinds(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	service, err := embeddings.NewManagedEmbeddingService(missing, embeddings.WithONNXRuntime(testenv.ONNXRuntime(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close()
	for range 2 { // it may be tried again
		err = service.Initialize()
		failure, ok := errors.AsType[*embeddings.Error](err)
		if !ok || !errors.Is(err, embeddings.ErrModelNotFound) || failure.Code != 2 || !strings.Contains(failure.Message, missing) {
			t.Fatalf("%v", err)
		}
	}
}

func TestBlobsAndSimilarity(t *testing.T) {
	service := open(t, testenv.TinyModel(t))
	vector := []float32{1, -2.5, math.SmallestNonzeroFloat32, float32(math.Inf(1))}
	blob, err := service.SerializeEmbedding(vector)
	if err != nil || len(blob) != 16 || !slices.Equal(blob[:8], []byte{0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0}) {
		t.Fatal(blob, err)
	}
	back, err := service.DeserializeEmbedding(blob)
	if err != nil || !slices.Equal(back, vector) {
		t.Fatal(back, err)
	}
	if blob, err := service.SerializeEmbedding(nil); err != nil || len(blob) != 0 {
		t.Error(blob, err)
	}
	if _, err := service.DeserializeEmbedding(blob[:7]); !errors.Is(err, embeddings.ErrInvalidArgument) {
		t.Error(err)
	}
	for _, test := range []struct {
		a, b   []float32
		cosine float32
		err    error
	}{
		{[]float32{3, 4}, []float32{6, 8}, 1, nil},
		{[]float32{1, 0}, []float32{0, 5}, 0, nil},
		{[]float32{1, 0}, []float32{-2, 0}, -1, nil},
		{[]float32{0, 0}, []float32{1, 0}, 0, nil},
		{[]float32{1}, []float32{1, 0}, 0, embeddings.ErrDimensions},
		{[]float32{float32(math.NaN())}, []float32{1}, 0, embeddings.ErrInvalidArgument},
	} {
		if cosine, err := service.ComputeSimilarity(test.a, test.b); cosine != test.cosine || !errors.Is(err, test.err) {
			t.Errorf("%v and %v: %v, error %v; expected %v, %v", test.a, test.b, cosine, err, test.cosine, test.err)
		}
	}
}

func TestAClosedServiceGivesErrClosed(t *testing.T) {
	service := open(t, testenv.TinyModel(t))
	for range 2 {
		if err := service.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, embed := service.GenerateEmbedding("x")
	_, info := service.GetModelInfo()
	for _, err := range []error{embed, info, service.Initialize()} {
		if !errors.Is(err, embeddings.ErrClosed) {
			t.Error(err)
		}
	}
}

func TestAContextThatIsDoneEndsTheCall(t *testing.T) {
	service := open(t, testenv.TinyModel(t))
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	_, embed := service.Embed(ctx, "x")
	_, info := service.ModelInfo(ctx)
	for _, err := range []error{embed, info, service.Init(ctx)} {
		if !errors.Is(err, embeddings.ErrCancelled) || !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	}
}

func TestAContextThatEndsDuringTheCallIsReported(t *testing.T) {
	service := open(t, testenv.TinyModel(t))
	texts := make([]string, 20_000)
	for i := range texts {
		texts[i] = fmt.Sprint("text number ", i)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	batch, err := service.EmbedBatch(ctx, texts)
	if batch != nil || !errors.Is(err, embeddings.ErrCancelled) || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(batch, err)
	}
}

func TestManyGoroutinesOnOneModelAndStore(t *testing.T) {
	service := open(t, testenv.TinyModel(t))
	store := openStore(t, filepath.Join(t.TempDir(), "test.db"))
	ctx := t.Context()
	const texts = 8
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for n := range texts {
				item := embeddings.Item{SourceType: fmt.Sprint(worker), SourceID: fmt.Sprint(n), Text: strings.Repeat("word ", n+1)}
				if _, err := embeddings.Ingest(ctx, service, store, []embeddings.Item{item}); err != nil {
					t.Error(err)
				}
				result, err := service.Embed(ctx, item.Text)
				if err != nil {
					t.Error(err)
					return
				}
				info, err := service.ModelInfo(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				matches, err := store.Search(ctx, result.Vector, embeddings.SearchOptions{Fingerprint: info.Fingerprint, Limit: 1})
				if err != nil || len(matches) != 1 || matches[0].Text != item.Text {
					t.Errorf("%q: %d matches, not of it, error %v", item.Text, len(matches), err)
				}
			}
		})
	}
	group.Wait()
	if n, err := store.Count(ctx, embeddings.Selection{}); err != nil || n != 8*texts {
		t.Errorf("%d rows, error %v; expected %d", n, err, 8*texts)
	}
}

func TestEmbeddingStoreIsAStore(t *testing.T) {
	embedtest.TestStore(t, func(t *testing.T) embeddings.Store {
		return openStore(t, filepath.Join(t.TempDir(), "test.db"))
	})
}

func TestTheStoresNamesWithoutContextDoTheSame(t *testing.T) {
	store := openStore(t, ":memory:")
	record := embeddings.Record{SourceType: "note", SourceID: "a", Text: "x", Fingerprint: "f", Vector: []float32{1, 0}}
	if outcome, err := store.Save(record); outcome != embeddings.Inserted || err != nil {
		t.Fatal(outcome, err)
	}
	if outcomes, err := store.SaveBatch([]embeddings.Record{record}); err != nil || !slices.Equal(outcomes, []embeddings.Outcome{embeddings.Unchanged}) {
		t.Fatal(outcomes, err)
	}
	if rows, err := store.GetBySource(t.Context(), "note", "a", "f"); err != nil || len(rows) != 1 || rows[0].Text != "x" {
		t.Fatal(rows, err)
	}
	if matches, err := store.SemanticSearch([]float32{1, 0}, embeddings.SearchOptions{Fingerprint: "f"}); err != nil || len(matches) != 1 {
		t.Fatal(matches, err)
	}
	if _, err := store.Save(embeddings.Record{}); !errors.Is(err, embeddings.ErrInvalidArgument) {
		t.Error(err)
	}
	for range 2 {
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := store.Save(record); !errors.Is(err, embeddings.ErrClosed) {
		t.Error(err)
	}
}

func TestAReopenedStoreHasTheSameRows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	service := open(t, testenv.TinyModel(t))
	items := []embeddings.Item{
		{SourceType: "note", SourceID: "1", Text: "the cat sat"},
		{SourceType: "note", SourceID: "2", Text: "a dog ran"},
	}
	query, err := service.GenerateEmbedding("the cat")
	if err != nil {
		t.Fatal(err)
	}
	info, err := service.GetModelInfo()
	if err != nil {
		t.Fatal(err)
	}
	var found [2][]embeddings.Match
	for i := range found {
		store := openStore(t, path)
		if _, err := embeddings.Ingest(t.Context(), service, store, items); err != nil {
			t.Fatal(err)
		}
		if found[i], err = store.SemanticSearch(query.Vector, embeddings.SearchOptions{Fingerprint: info.Fingerprint, Threshold: -1}); err != nil {
			t.Fatal(err)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
	same := func(a, b embeddings.Match) bool {
		return a.ID == b.ID && a.Similarity == b.Similarity && a.UpdatedAt.Equal(b.UpdatedAt) && slices.Equal(a.Vector, b.Vector)
	}
	if len(found[0]) != 2 || !slices.EqualFunc(found[0], found[1], same) {
		t.Fatalf("first %+v, then %+v", found[0], found[1])
	}
}

func TestMemoryForSearchesDoesNotChangeWhatTheyFind(t *testing.T) {
	records := make([]embeddings.Record, 500)
	for i := range records {
		records[i] = embeddings.Record{SourceType: "test", SourceID: fmt.Sprint(i), Text: "x", Fingerprint: "f",
			Vector: []float32{float32(i%7) + 1, float32(i % 31), 3}}
	}
	var found [2][]embeddings.Match
	for i, bytes := range []int{0, 1} {
		store, err := embeddings.OpenEmbeddingStore(":memory:", embeddings.WithMaxResidentBytes(bytes))
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		if _, err := store.Put(t.Context(), records); err != nil {
			t.Fatal(err)
		}
		// Enough searches that an index in memory is worth it.
		for range 200 {
			if found[i], err = store.Search(t.Context(), []float32{1, 2, 3}, embeddings.SearchOptions{Fingerprint: "f", Limit: 5}); err != nil {
				t.Fatal(err)
			}
		}
	}
	same := func(a, b embeddings.Match) bool { return a.Distance == b.Distance }
	if len(found[0]) != 5 || !slices.EqualFunc(found[0], found[1], same) {
		t.Fatalf("%+v with memory, %+v without", found[0], found[1])
	}
}

func TestAFileThatIsNoDatabaseIsAnErrStore(t *testing.T) {
	for _, path := range []string{
		filepath.Join(testenv.Repository(t), "go", "go.mod"),
		filepath.Join(t.TempDir(), "no", "such", "directory", "test.db"),
	} {
		if _, err := embeddings.OpenEmbeddingStore(path); !errors.Is(err, embeddings.ErrStore) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestACancelledContextEndsTheCallAtOnceAndTheModelGoesOn(t *testing.T) {
	service := open(t, testenv.Model(t))
	texts := make([]string, 4000)
	for i := range texts {
		texts[i] = fmt.Sprint(i, strings.Repeat(" the failing pump was repaired before the harvest", 4))
	}
	ctx, cancel := context.WithCancel(t.Context())
	var cancelledAt time.Time
	time.AfterFunc(300*time.Millisecond, func() {
		cancelledAt = time.Now()
		cancel()
	})
	_, err := service.EmbedBatch(ctx, texts)
	if !errors.Is(err, embeddings.ErrCancelled) || !errors.Is(err, context.Canceled) {
		t.Fatalf("a cancelled call gives %v", err)
	}
	if late := time.Since(cancelledAt); late > time.Second {
		t.Errorf("the call returned %v after it was cancelled", late)
	}
	if _, err := service.Embed(t.Context(), "next"); err != nil {
		t.Errorf("after a cancelled call: %v", err)
	}
	if took := time.Since(cancelledAt); took > 5*time.Second {
		t.Errorf("the model was busy with a cancelled call for %v", took)
	}
}

func TestPromptsAreThoseOfSentenceTransformers(t *testing.T) {
	directory, golden := testenv.Prompts(t)
	service := open(t, directory)
	info, err := service.GetModelInfo()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"document": "", "passage": "passage: ", "query": "query: "}
	if !maps.Equal(info.Prompts, want) || info.DefaultPromptName != "passage" || !info.HasModules || info.FullDimensions != info.Dimensions {
		t.Fatalf("%+v", info)
	}
	prompts := 0
	for _, g := range golden {
		ways := map[string][]embeddings.EmbedOption{"by default": nil}
		if g.PromptName != "" {
			prompts++
			ways = map[string][]embeddings.EmbedOption{
				"by name":  {embeddings.WithPromptName(g.PromptName)},
				"by words": {embeddings.WithPrompt(want[g.PromptName])},
				"by hand":  {embeddings.WithPrompt("")},
			}
		}
		for how, options := range ways {
			text := g.Text
			if how == "by hand" {
				text = want[g.PromptName] + text
			}
			result, err := service.Embed(t.Context(), text, options...)
			if err != nil {
				t.Fatal(err)
			}
			if cosine := testenv.Cosine(t, result.Vector, g.Vector); cosine < 0.99999 {
				t.Errorf("%.40q, prompt %q %s: cosine %v", g.Text, g.PromptName, how, cosine)
			}
		}
	}
	if prompts < 8 {
		t.Errorf("%d golden texts with a prompt", prompts)
	}
	_, err = service.Embed(t.Context(), "x", embeddings.WithPromptName("nonsense"))
	if !errors.Is(err, embeddings.ErrInvalidArgument) || !strings.Contains(err.Error(), "passage, query") {
		t.Errorf("a prompt that is not there: %v", err)
	}
}

func TestTheOptionsOfACallReachTheLibrary(t *testing.T) {
	service := open(t, testenv.TinyModel(t))
	whole, err := service.EmbedBatch(t.Context(), []string{"the cat", "a dog ran"})
	if err != nil {
		t.Fatal(err)
	}
	some, err := service.EmbedBatch(t.Context(), []string{"the cat", "a dog ran"}, embeddings.WithDimensions(5))
	if err != nil {
		t.Fatal(err)
	}
	for i, result := range some.Results {
		if len(result.Vector) != 5 || testenv.Cosine(t, result.Vector, whole.Results[i].Vector[:5]) < 0.999999 {
			t.Errorf("%v of %v", result.Vector, whole.Results[i].Vector)
		}
	}
	for _, n := range []int{33, math.MaxInt} {
		if _, err := service.Embed(t.Context(), "x", embeddings.WithDimensions(n)); !errors.Is(err, embeddings.ErrDimensions) {
			t.Errorf("%d dimensions: %v", n, err)
		}
	}
	// A model that knows words, and cuts off the beginning where it is not told.
	service = open(t, filepath.Join(testenv.Repository(t), "tests/fixtures/bert-left"))
	long := strings.Repeat("harbour ", 100)
	vectors := map[embeddings.Truncate][]float32{}
	for _, truncate := range []embeddings.Truncate{embeddings.TruncateDefault, embeddings.TruncateRight, embeddings.TruncateLeft} {
		result, err := service.Embed(t.Context(), "cat "+long+"dog", embeddings.WithTruncate(truncate))
		if err != nil || !result.Truncated {
			t.Fatal(result, err)
		}
		vectors[truncate] = result.Vector
	}
	if !slices.Equal(vectors[embeddings.TruncateDefault], vectors[embeddings.TruncateLeft]) ||
		slices.Equal(vectors[embeddings.TruncateLeft], vectors[embeddings.TruncateRight]) {
		t.Error("the sides of truncation are wrong")
	}
	if _, err := service.Embed(t.Context(), long, embeddings.WithTruncate(embeddings.TruncateError)); !errors.Is(err, embeddings.ErrTooLong) {
		t.Errorf("too long: %v", err)
	}
}

func TestProgressRunsOnTheCallersGoroutineUpToTheNumberOfTexts(t *testing.T) {
	service := open(t, testenv.TinyModel(t))
	texts := make([]string, 3000)
	for i := range texts {
		texts[i] = fmt.Sprint(strings.Repeat("! ", i%40), i)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			last, calls := 0, 0 // not guarded: the race detector tells of another thread
			_, err := service.EmbedBatch(t.Context(), texts, embeddings.WithProgress(func(done, total int) {
				if done <= last || done > total || total != len(texts) {
					t.Errorf("%d of %d after %d", done, total, last)
				}
				last, calls = done, calls+1
				runtime.GC()
			}))
			if err != nil || last != len(texts) || calls < 2 {
				t.Errorf("%d calls, the last with %d, error %v", calls, last, err)
			}
		})
	}
	group.Wait()
}

func TestAPanicOfProgressEndsTheCallAndGoesOnAfterIt(t *testing.T) {
	service := open(t, testenv.TinyModel(t))
	for _, texts := range [][]string{{"alone"}, make([]string, 2000)} {
		for i := range texts {
			texts[i] = fmt.Sprint("text ", i)
		}
		calls := 0
		func() {
			defer func() {
				if got := recover(); got != "enough" || calls != 1 {
					t.Errorf("recovered %v after %d calls", got, calls)
				}
			}()
			service.EmbedBatch(t.Context(), texts, embeddings.WithProgress(func(int, int) {
				calls++
				panic("enough")
			}))
		}()
		if _, err := service.EmbedBatch(t.Context(), texts); err != nil {
			t.Errorf("after a panic: %v", err)
		}
	}
}

func TestASequenceOfAnyLengthIsEmbeddedInOrder(t *testing.T) {
	service := open(t, testenv.TinyModel(t))
	text := func(i int) string { return strings.Repeat("! ", i%37) + "!" }
	for _, n := range []int{0, 1, 255, 256, 257, 1000} {
		ahead, given := 0, 0
		texts := func(yield func(string) bool) {
			for i := range n {
				if ahead = max(ahead, i+1-given); !yield(text(i)) {
					t.Error("was stopped")
					return
				}
			}
		}
		var first [37][]float32
		for result, err := range service.EmbedSeq(t.Context(), texts) {
			if err != nil {
				t.Fatal(err)
			}
			if given < 37 {
				first[given] = result.Vector
			}
			if !slices.Equal(result.Vector, first[given%37]) || result.FullTokens != given%37+3 {
				t.Fatalf("text %d has the vector of another, or %d tokens", given, result.FullTokens)
			}
			given++
		}
		if given != n || ahead > 2*256 {
			t.Errorf("%d of %d were given, and %d were read ahead", given, n, ahead)
		}
	}
}

func TestASequenceEndsWhereItIsLeftOrFails(t *testing.T) {
	service := open(t, testenv.TinyModel(t))
	var read int
	forever := func(yield func(string) bool) {
		for read = 1; yield(fmt.Sprint(read)); read++ {
		}
	}
	given := 0
	for _, err := range service.EmbedSeq(t.Context(), forever) {
		if err != nil {
			t.Fatal(err)
		}
		if given++; given == 300 {
			break
		}
	}
	if given != 300 || read > 3*256 {
		t.Errorf("%d were given, %d read", given, read)
	}

	bad := func(yield func(string) bool) {
		for i := 0; yield(map[bool]string{true: "bad \xff", false: "good"}[i == 600]); i++ {
		}
	}
	given, failed := 0, error(nil)
	for _, err := range service.EmbedSeq(t.Context(), bad) {
		if failed != nil {
			t.Fatal("an error was not the last that was given")
		}
		if failed = err; err == nil {
			given++
		}
	}
	if !errors.Is(failed, embeddings.ErrInvalidUTF8) || !strings.Contains(failed.Error(), "from 512 on: text 88") || given != 512 {
		t.Errorf("%d were given, then %v", given, failed)
	}

	ctx, cancel := context.WithCancel(t.Context())
	given, failed = 0, nil
	for _, err := range service.EmbedSeq(ctx, forever) {
		if given++; given == 10 {
			cancel()
		}
		failed = err
	}
	cancel()
	if !errors.Is(failed, embeddings.ErrCancelled) || !errors.Is(failed, context.Canceled) {
		t.Errorf("a cancelled sequence ends with %v", failed)
	}
	for _, err := range service.EmbedSeq(t.Context(), forever, embeddings.WithProgress(func(int, int) {})) {
		if !errors.Is(err, embeddings.ErrInvalidArgument) {
			t.Errorf("with progress: %v", err)
		}
	}
}

func TestACacheGivesTheSameVectorsAndCounts(t *testing.T) {
	cached, plain := open(t, testenv.TinyModel(t), embeddings.WithCache(1<<20)), open(t, testenv.TinyModel(t))
	texts := []string{"the cat", "a dog ran", "the cat"}
	want, err := plain.GenerateBatchEmbeddings(texts)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		got, err := cached.GenerateBatchEmbeddings(texts)
		if err != nil || got.TotalTokens != want.TotalTokens {
			t.Fatal(got, err)
		}
		for i := range texts {
			if !slices.Equal(got.Results[i].Vector, want.Results[i].Vector) || got.Results[i].FullTokens != want.Results[i].FullTokens {
				t.Errorf("%q has another vector", texts[i])
			}
		}
	}
	stats, err := cached.CacheStats(t.Context())
	if err != nil || stats.Hits != 4 || stats.Misses != 2 || stats.Entries != 2 || stats.Bytes < 2*32*4 || stats.Bytes > 1<<20 {
		t.Errorf("%+v, error %v", stats, err)
	}
	if stats, err := plain.CacheStats(t.Context()); err != nil || *stats != (embeddings.CacheStats{}) {
		t.Errorf("without a cache: %+v, error %v", stats, err)
	}
	cached.Close()
	if _, err := cached.CacheStats(t.Context()); !errors.Is(err, embeddings.ErrClosed) {
		t.Error(err)
	}
}

func TestTheQueueOfTheOptionsIsTheLibrarys(t *testing.T) {
	service := open(t, testenv.TinyModel(t), embeddings.WithQueue(1), embeddings.WithThreads(1))
	texts := make([]string, 20_000)
	for i := range texts {
		texts[i] = fmt.Sprint(strings.Repeat("! ", 30), i)
	}
	running := make(chan struct{})
	var once sync.Once
	var group sync.WaitGroup
	group.Go(func() {
		// A call that comes alone may have any number.
		_, err := service.EmbedBatch(t.Context(), texts, embeddings.WithProgress(func(int, int) { once.Do(func() { close(running) }) }))
		if err != nil {
			t.Error(err)
		}
	})
	<-running
	if _, err := service.EmbedBatch(t.Context(), []string{"a", "b"}); !errors.Is(err, embeddings.ErrOverloaded) {
		t.Errorf("a call that does not fit into the queue: %v", err)
	}
	group.Wait()
}

// TestCallsThatReportTakeTurns has more of them than Go's runtime allows threads: each keeps one, and they would end the process.
func TestCallsThatReportTakeTurns(t *testing.T) {
	service := open(t, testenv.TinyModel(t))
	const goroutines, most = 12_000, 1024
	release := make(chan struct{})
	var inside, answered atomic.Int64
	var group sync.WaitGroup
	stays := embeddings.WithProgress(func(int, int) { inside.Add(1); <-release })
	for range goroutines {
		group.Go(func() {
			if _, err := service.Embed(t.Context(), "a cat", stays); err != nil {
				t.Error(err)
				return
			}
			answered.Add(1)
		})
	}
	for inside.Load() < most && !t.Failed() {
		time.Sleep(time.Millisecond)
	}
	// One that waits for its turn does so until its context is done.
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := service.Embed(ctx, "a cat", stays); !errors.Is(err, embeddings.ErrCancelled) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without a turn: %v", err)
	}
	// One that does not report needs none.
	if _, err := service.Embed(t.Context(), "a cat"); err != nil {
		t.Error(err)
	}
	if n := inside.Load(); n != most {
		t.Errorf("%d calls are in the library at once; expected %d", n, most)
	}
	close(release)
	group.Wait()
	if n := answered.Load(); n != goroutines {
		t.Errorf("%d of %d calls were answered", n, goroutines)
	}
}

func TestOnlyAModelThatIsAsItsManifestSaysIsOpened(t *testing.T) {
	directory := testenv.CopyModel(t, testenv.TinyModel(t))
	checked := func() error {
		service, err := embeddings.NewManagedEmbeddingService(directory, embeddings.WithRequireManifest(),
			embeddings.WithONNXRuntime(testenv.ONNXRuntime(t)))
		if err != nil {
			t.Fatal(err)
		}
		defer service.Close()
		return service.Initialize()
	}
	_, err := embeddings.CheckManifest(directory)
	for _, err := range []error{err, checked()} {
		if !errors.Is(err, embeddings.ErrModelNotFound) || !strings.Contains(err.Error(), "qntx-embed.sha256.json") {
			t.Errorf("without a manifest: %v", err)
		}
	}
	written, err := embeddings.WriteManifest(directory)
	if err != nil {
		t.Fatal(err)
	}
	info, err := open(t, directory).GetModelInfo()
	if err != nil || written.Files < 5 || written.Fingerprint != info.Fingerprint {
		t.Errorf("%+v, the model is %+v, error %v", written, info, err)
	}
	if again, err := embeddings.CheckManifest(directory); err != nil || *again != *written {
		t.Errorf("%+v, written %+v, error %v", again, written, err)
	}
	if err := checked(); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(directory, "tokenizer.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = embeddings.CheckManifest(directory)
	for _, err := range []error{err, checked()} {
		if !errors.Is(err, embeddings.ErrModelInvalid) || !strings.Contains(err.Error(), "tokenizer.json has 2 bytes") {
			t.Errorf("with another tokenizer.json: %v", err)
		}
	}
}
