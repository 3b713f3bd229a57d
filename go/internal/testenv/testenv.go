// Package testenv tells tests where things lie: relative to the repository, unless QNTX_EMBED_TEST_MODEL and
// QNTX_EMBED_TEST_ONNXRUNTIME say otherwise.
package testenv

import (
	"bufio"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// Repository is the root of the repository that the test runs in.
func Repository(t testing.TB) string {
	t.Helper()
	start, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for directory := start; ; directory = filepath.Dir(directory) {
		if _, err := os.Stat(filepath.Join(directory, "include", "qntx_embed.h")); err == nil {
			return directory
		}
		if directory == filepath.Dir(directory) {
			t.Fatalf("%s is in no directory that has include/qntx_embed.h", start)
		}
	}
}

// Model is the directory of all-MiniLM-L6-v2.
func Model(t testing.TB) string {
	t.Helper()
	return override(t, "QNTX_EMBED_TEST_MODEL", "models/all-MiniLM-L6-v2")
}

// TinyModel is a model directory of 32 dimensions that opens in no time. It knows no word: only texts of different
// numbers of words have different vectors.
func TinyModel(t testing.TB) string {
	t.Helper()
	return filepath.Join(Repository(t), "tests/fixtures/tiny-mean")
}

// ONNXRuntime is ONNX Runtime's library, or the directory that it lies in.
func ONNXRuntime(t testing.TB) string {
	t.Helper()
	return override(t, "QNTX_EMBED_TEST_ONNXRUNTIME", "third_party/onnxruntime")
}

func override(t testing.TB, variable, path string) string {
	t.Helper()
	if value := os.Getenv(variable); value != "" {
		return value
	}
	path = filepath.Join(Repository(t), path)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v (run 'make setup', or set %s)", err, variable)
	}
	return path
}

// GoldenText is a text with what sentence-transformers makes of it.
type GoldenText struct {
	Text       string `json:"text"`
	Tokens     int    `json:"tokens"`
	FullTokens int    `json:"full_tokens"`
	Truncated  bool   `json:"truncated"`
	PromptName string `json:"prompt_name"`
	Blob       string `json:"embedding_f32le_base64"`
	Vector     []float32
}

// Golden is the golden texts of all-MiniLM-L6-v2.
func Golden(t testing.TB) []GoldenText {
	t.Helper()
	golden := goldenOf(t, "golden")
	if len(golden) < 100 {
		t.Fatalf("%d golden texts; expected 100 or more", len(golden))
	}
	return golden
}

// Prompts is a tiny model that has prompts, and its golden texts.
func Prompts(t testing.TB) (directory string, golden []GoldenText) {
	t.Helper()
	return filepath.Join(Repository(t), "tests/fixtures/tiny-prompts"), goldenOf(t, "tiny-prompts")
}

func goldenOf(t testing.TB, fixture string) []GoldenText {
	t.Helper()
	file, err := os.Open(filepath.Join(Repository(t), "tests/fixtures", fixture, "golden.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var golden []GoldenText
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var text GoldenText
		if err := json.Unmarshal(lines.Bytes(), &text); err != nil {
			t.Fatal(err)
		}
		text.Vector = floats(t, text.Blob)
		golden = append(golden, text)
	}
	return golden
}

func floats(t testing.TB, blob string) []float32 {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(blob)
	if err != nil {
		t.Fatal(err)
	}
	vector := make([]float32, len(data)/4)
	for i := range vector {
		vector[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return vector
}

// Cosine is computed here, so that a test does not trust the library with it.
func Cosine(t testing.TB, a, b []float32) float64 {
	t.Helper()
	if len(a) != len(b) || len(a) == 0 {
		t.Fatalf("vectors of %d and %d dimensions", len(a), len(b))
	}
	var dot, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		dot, aa, bb = dot+x*y, aa+x*x, bb+y*y
	}
	return dot / math.Sqrt(aa*bb)
}

// CopyModel copies a model directory to a temporary one, to be damaged.
func CopyModel(t testing.TB, directory string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), filepath.Base(directory))
	if err := os.CopyFS(to, os.DirFS(directory)); err != nil {
		t.Fatal(err)
	}
	return to
}

// Main runs a package's tests, for its TestMain, and fails where they leave handles of the library open that live knows of.
func Main(m *testing.M, live func() []string) {
	code := m.Run()
	for _, stack := range live() {
		fmt.Fprintf(os.Stderr, "a handle was never closed; it was made here:\n%s\n", stack)
		code = 1
	}
	os.Exit(code)
}
