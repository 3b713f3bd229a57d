package weaviate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

func TestARequestGoesToTheNextHostWhereOneDoesNotAnswer(t *testing.T) {
	asked := map[string]int{}
	serve := func(name string, status int, wait time.Duration) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked[name]++
			body, _ := io.ReadAll(r.Body)
			select {
			case <-time.After(wait):
			case <-r.Context().Done():
			}
			w.WriteHeader(status)
			fmt.Fprintf(w, "%s got %s", name, body)
		}))
		t.Cleanup(server.Close)
		return strings.TrimPrefix(server.URL, "http://")
	}
	gone := httptest.NewServer(nil)
	gone.Close()
	h := newHosts(http.DefaultTransport, []string{
		strings.TrimPrefix(gone.URL, "http://"), serve("starting", http.StatusServiceUnavailable, 0), serve("stalled", http.StatusOK, time.Minute),
		serve("well", http.StatusOK, 0), serve("other", http.StatusOK, 0),
	}, 200*time.Millisecond)
	client := http.Client{Transport: h}
	for range 3 {
		response, err := client.Post("http://any/x", "text/plain", strings.NewReader("the body"))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || string(body) != "well got the body" {
			t.Fatalf("%q, error %v", body, err)
		}
	}
	if asked["starting"] != 1 || asked["stalled"] != 1 || asked["well"] != 3 || asked["other"] != 0 {
		t.Errorf("asked: %v; expected those that do not answer once, and the one that does each time", asked)
	}
}

func TestWhereNoHostAnswersTheCallSaysSoAndEndsInTime(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	s, err := Open("weaviate://" + strings.TrimPrefix(gone.URL, "http://") + "?patience=300ms")
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	_, err = s.Count(t.Context(), embeddings.Selection{})
	if !errors.Is(err, embeddings.ErrStoreUnavailable) || !strings.Contains(err.Error(), "connection refused") || time.Since(start) > 5*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Count(ctx, embeddings.Selection{}); !errors.Is(err, embeddings.ErrCancelled) || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	s.Close()
	if _, err := s.Count(t.Context(), embeddings.Selection{}); !errors.Is(err, embeddings.ErrClosed) {
		t.Error(err)
	}
}

func exact(value any) *big.Float {
	if n, isInteger := value.(int64); isInteger {
		return new(big.Float).SetInt64(n)
	}
	return big.NewFloat(value.(float64))
}

func TestEncodedValuesAreInTheOrderOfTheValues(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	numbers := []any{int64(0), int64(math.MinInt64), int64(math.MaxInt64), float64(math.MaxInt64), math.MaxFloat64, -math.MaxFloat64,
		math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64, math.Copysign(0, -1), int64(1) << 53, int64(1)<<53 + 1, float64(1 << 53), 0.1, -0.1}
	texts := []any{"", " ", "\x00", "a", "a\x00", "a\x01", "ab", " a", "a ", "ü", "\U0010ffff"}
	for range 300 {
		numbers = append(numbers, int64(random.Uint64()), math.Float64frombits(random.Uint64()&^(1<<62)), int64(random.IntN(20)-10), float64(random.IntN(20)-10))
	}
	less := func(a, b any) bool {
		if x, isText := a.(string); isText {
			return x < b.(string)
		}
		switch x := a.(type) {
		case int64:
			if y, both := b.(int64); both {
				return x < y
			}
		case float64:
			if y, both := b.(float64); both {
				return x < y
			}
		}
		return exact(a).Cmp(exact(b)) < 0
	}
	for _, values := range [][]any{numbers, texts} {
		for _, a := range values {
			for _, b := range values {
				tag, x := encode(a)
				_, y := encode(b)
				if (x < y) != less(a, b) || (x == y) != (!less(a, b) && !less(b, a)) {
					t.Fatalf("%v is %q, %v is %q", a, x, b, y)
				}
				if strings.TrimSpace(x) != x || x < tag || x >= afterTag[tag] {
					t.Fatalf("%v is %q, which is not between %q and %q, or has blanks at its ends", a, x, tag, afterTag[tag])
				}
			}
		}
	}
}

func TestTheOrderOfAListIsThatOfTheIDs(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	characters := []rune("\x00 +,-./0123456789:@ABCDEF_`abcdefghz~ü")
	some := func() string {
		var id strings.Builder
		for range random.IntN(16) {
			id.WriteRune(characters[random.IntN(len(characters))])
		}
		return id.String()
	}
	for range 200_000 {
		a, b := some(), some()
		if a < b && order(a) > order(b) {
			t.Fatalf("%q is before %q, but %v after %v", a, b, order(a), order(b))
		}
	}
	if order("019a8b7c-2f64-7cc3-98c4-dc0c0c07398f") == order("019a8b7c-2f74-7cc3-98c4-dc0c0c07398f") || order("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff") >= 1<<53 {
		t.Error("UUIDs are not told apart, or the number is no longer exact")
	}
}
