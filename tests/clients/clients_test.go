// Package clients drives a server at QNTX_EMBED_TEST_URL with OpenAI's official Go client and with langchaingo; run.py
// starts it.
package clients

import (
	"bufio"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/tmc/langchaingo/embeddings"
	langchain "github.com/tmc/langchaingo/llms/openai"
)

const model = "all-MiniLM-L6-v2"

type golden struct {
	Text   string `json:"text"`
	Tokens int64  `json:"tokens"`
	Blob   string `json:"embedding_f32le_base64"`
	vector []float64
}

func goldenTexts(t *testing.T) (all []golden, texts []string) {
	t.Helper()
	file, err := os.Open("../fixtures/golden/golden.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var g golden
		if err := json.Unmarshal(lines.Bytes(), &g); err != nil {
			t.Fatal(err)
		}
		if strings.TrimSpace(g.Text) == "" {
			continue
		}
		data, err := base64.StdEncoding.DecodeString(g.Blob)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(data); i += 4 {
			g.vector = append(g.vector, float64(math.Float32frombits(binary.LittleEndian.Uint32(data[i:]))))
		}
		all, texts = append(all, g), append(texts, g.Text)
	}
	return all, texts
}

func cosine(a, b []float64) float64 {
	var dot, aa, bb float64
	for i := range b {
		dot, aa, bb = dot+a[i]*b[i], aa+a[i]*a[i], bb+b[i]*b[i]
	}
	return dot / math.Sqrt(aa*bb)
}

func address(t *testing.T) (url, key string) {
	t.Helper()
	url = os.Getenv("QNTX_EMBED_TEST_URL")
	if url == "" {
		t.Fatal("QNTX_EMBED_TEST_URL is not set; make test-clients starts a server and sets it")
	}
	return url + "/v1", os.Getenv("QNTX_EMBED_TEST_KEY")
}

func TestOpenAIsGoClientGetsTheVectorsOfSentenceTransformers(t *testing.T) {
	url, key := address(t)
	client := openai.NewClient(option.WithBaseURL(url), option.WithAPIKey(key), option.WithMaxRetries(0))
	all, texts := goldenTexts(t)
	answer, err := client.Embeddings.New(t.Context(), openai.EmbeddingNewParams{
		Model: model,
		Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: texts},
	})
	if err != nil || len(answer.Data) != len(all) {
		t.Fatalf("%v, error %v", answer, err)
	}
	var tokens int64
	for i, want := range all {
		tokens += want.Tokens
		if got := cosine(answer.Data[i].Embedding, want.vector); got < 0.99999 {
			t.Errorf("%.40q: cosine %v", want.Text, got)
		}
	}
	if answer.Usage.PromptTokens != tokens || answer.Usage.TotalTokens != tokens {
		t.Errorf("%+v; expected %d tokens", answer.Usage, tokens)
	}
	list, err := client.Models.List(t.Context())
	if err != nil || len(list.Data) != 2 || list.Data[0].ID != model {
		t.Errorf("%+v, error %v", list, err)
	}
	_, err = client.Embeddings.New(t.Context(), openai.EmbeddingNewParams{
		Model: "gpt",
		Input: openai.EmbeddingNewParamsInputUnion{OfString: openai.String("a")},
	})
	var refused *openai.Error
	if !errors.As(err, &refused) || refused.StatusCode != 404 || refused.Code != "model_not_found" || !strings.Contains(refused.Message, `"gpt"`) {
		t.Errorf("%v", err)
	}
}

func TestLangchaingoGetsTheVectorsOfSentenceTransformers(t *testing.T) {
	url, key := address(t)
	client, err := langchain.New(langchain.WithBaseURL(url), langchain.WithToken(key), langchain.WithEmbeddingModel("text-embedding-3-small"))
	if err != nil {
		t.Fatal(err)
	}
	embedder, err := embeddings.NewEmbedder(client, embeddings.WithStripNewLines(false))
	if err != nil {
		t.Fatal(err)
	}
	all, texts := goldenTexts(t)
	vectors, err := embedder.EmbedDocuments(t.Context(), texts)
	if err != nil || len(vectors) != len(all) {
		t.Fatalf("%d vectors, error %v", len(vectors), err)
	}
	for i, want := range all {
		vector := make([]float64, len(vectors[i]))
		for j, x := range vectors[i] {
			vector[j] = float64(x)
		}
		if got := cosine(vector, want.vector); got < 0.99999 {
			t.Errorf("%.40q: cosine %v", want.Text, got)
		}
	}
	query, err := embedder.EmbedQuery(t.Context(), "a cat")
	if err != nil || len(query) != 384 {
		t.Errorf("%d dimensions, error %v", len(query), err)
	}
}
