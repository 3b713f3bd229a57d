package wire

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// The ways to search.
const (
	ModeVector   = "vector"
	ModeHybrid   = "hybrid"
	ModeKeywords = "keywords"
)

// Search is what a search is asked for, over HTTP and at the shell.
type Search struct {
	Query   string
	Mode    string
	Options embeddings.SearchOptions
	Details bool
	Explain bool
}

// SearchReader reads a search from parameters.
type SearchReader struct {
	Search
	// Name is how a parameter is named in errors, such as `parameter "limit"` or --limit.
	Name  func(parameter string) string
	most  int // results
	given []string
}

// NewSearchReader reads a search of at most so many results, that begins with the defaults.
func NewSearchReader(name func(parameter string) string, most int) *SearchReader {
	return &SearchReader{Name: name, most: most, Search: Search{
		Mode:    ModeVector,
		Options: embeddings.SearchOptions{Limit: DefaultLimit, Threshold: DefaultThreshold, WithoutVectors: true},
	}}
}

// SearchParameter is one that a search takes beside its query.
type SearchParameter struct {
	Name string
	// Help says what it does; a word in backquotes stands for its value. Those without one are switches.
	Help string
	read func(s *SearchReader, name, value string) error
}

// SearchParameters are all that there are.
var SearchParameters = []SearchParameter{
	{"limit", fmt.Sprintf("at most `N` results, 1 to %d (default %d)", MaxResults, DefaultLimit),
		func(s *SearchReader, name, value string) (err error) {
			s.Options.Limit, err = CountTo(name, value, s.most)
			return err
		}},
	{"threshold", fmt.Sprintf("only results of at least this `COSINE`, -1 to 1 (default %v); not for words", DefaultThreshold),
		func(s *SearchReader, name, value string) (err error) {
			s.Options.Threshold, err = Threshold(name, value)
			return err
		}},
	{"mode", "search by this `MODE`: vector (what means the same), keywords (what has one of the words), or hybrid, which is both, " +
		"fused by rank (default vector)", func(s *SearchReader, name, value string) error {
		if !slices.Contains([]string{ModeVector, ModeHybrid, ModeKeywords}, value) {
			return fmt.Errorf(`%s is %q; expected "vector", "hybrid" or "keywords"`, name, value)
		}
		s.Mode = value
		return nil
	}},
	{"filter", "only rows that pass this `FILTER`, in JSON, such as [\"=\", \"source_type\", \"manual\"]; no other row has any influence",
		func(s *SearchReader, name, value string) (err error) {
			s.Options.Filter, err = Filter(name, value)
			return err
		}},
	{"like", "what is near to the row with this `ID`, without itself; there is no query then",
		func(s *SearchReader, _, value string) error {
			s.Options.Like = value
			return nil
		}},
	{"group", "only the best chunk of each source", func(s *SearchReader, name, value string) (err error) {
		s.Options.GroupBySource, err = Switch(name, value)
		return err
	}},
	{"diversity", "less of the same, by maximal marginal relevance: `X` is 0 (the usual order) to 1",
		func(s *SearchReader, name, value string) error {
			x, err := Between(name, value, 0, 1)
			s.Options.Diversity = x
			return err
		}},
	{"candidates", "among how many of the nearest rows diversity chooses, `N` up to 10000 (default five times the limit, at least 50)",
		func(s *SearchReader, name, value string) (err error) {
			s.Options.Candidates, err = CountTo(name, value, MaxResults)
			return err
		}},
	{"vector_weight", "what ranks by vector weigh in mode hybrid: `X` of 0 or more (default 1)",
		func(s *SearchReader, name, value string) (err error) {
			s.fusion().VectorWeight, err = Between(name, value, 0, maxWeight)
			return err
		}},
	{"words_weight", "what ranks by words weigh in mode hybrid: `X` of 0 or more (default 1)",
		func(s *SearchReader, name, value string) (err error) {
			s.fusion().WordsWeight, err = Between(name, value, 0, maxWeight)
			return err
		}},
	{"rank_constant", "how little the first ranks differ in mode hybrid: `X` of 1 or more (default 60)",
		func(s *SearchReader, name, value string) (err error) {
			s.fusion().RankConstant, err = Between(name, value, 1, maxWeight)
			return err
		}},
	{"depth", "how many ranks of each kind count in mode hybrid, `N` up to 10000 (default four times the limit, at least 100)",
		func(s *SearchReader, name, value string) (err error) {
			s.fusion().Depth, err = CountTo(name, value, MaxResults)
			return err
		}},
	{"after", "the next page: what comes after this `PLACE`, the next of the page before",
		func(s *SearchReader, name, value string) (err error) {
			if s.Options.After, err = embeddings.ParseCursor(value); err != nil {
				err = fmt.Errorf("%s: %w", name, err)
			}
			return err
		}},
	{"details", "say all that is known of each result (row id, chunk, metadata, times, ranks), and where the next page begins",
		func(s *SearchReader, name, value string) (err error) {
			s.Details, err = Switch(name, value)
			return err
		}},
	{"explain", "say how the results were found: which index, how much was compared, and how long it took",
		func(s *SearchReader, name, value string) (err error) {
			s.Explain, err = Switch(name, value)
			return err
		}},
}

const maxWeight = 1e6

func (s *SearchReader) fusion() *embeddings.Fusion {
	if s.Options.Fusion == nil {
		s.Options.Fusion = &embeddings.Fusion{VectorWeight: 1, WordsWeight: 1}
	}
	return s.Options.Fusion
}

// Switch says that the parameter takes true or false.
func (p *SearchParameter) Switch() bool { return !strings.Contains(p.Help, "`") }

// Read reads a parameter's value.
func (r *SearchReader) Read(parameter *SearchParameter, value string) error {
	r.given = append(r.given, parameter.Name)
	return parameter.read(r, r.Name(parameter.Name), value)
}

// Finish sets the query, and refuses what does not go together. missing is the error where there is nothing to search for.
func (r *SearchReader) Finish(query string, missing error) (Search, error) {
	r.Query = query
	like, diverse, fusion := r.Options.Like != "", r.Options.Diversity > 0, r.Options.Fusion
	switch {
	case like && query != "":
		return r.Search, fmt.Errorf("%s and a query; expected one of them", r.Name("like"))
	case !like && query == "":
		return r.Search, missing
	}
	refuse := func(when bool, reason string, parameters ...string) error {
		for _, parameter := range parameters {
			if when && slices.Contains(r.given, parameter) {
				return fmt.Errorf("%s %s", r.Name(parameter), reason)
			}
		}
		return nil
	}
	err := cmp.Or(
		refuse(r.Mode != ModeVector, "is for mode vector only", "like", "after", "diversity"),
		refuse(r.Mode != ModeHybrid, "is for mode hybrid only", "vector_weight", "words_weight", "rank_constant", "depth"),
		refuse(r.Mode == ModeKeywords, "is for vectors, and mode keywords has none", "threshold"),
		refuse(!diverse, "needs "+r.Name("diversity")+" of more than 0", "candidates"),
		refuse(diverse, "goes by distance, and with "+r.Name("diversity")+" results do not", "after"),
		refuse(fusion != nil && fusion.VectorWeight+fusion.WordsWeight == 0, "is 0, as the other weight; expected one that is more",
			"vector_weight"),
	)
	return r.Search, err
}

// Blank refuses a query of white space.
func Blank(name, query string) error {
	if strings.TrimSpace(query) == "" {
		return errors.New(name + " is blank; expected some text")
	}
	return nil
}
