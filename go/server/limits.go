package server

import (
	"cmp"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// What a server takes where [Limits] does not say otherwise.
const (
	DefaultBodyBytes   = 2_000_000
	DefaultTexts       = 2048 // as OpenAI
	DefaultInFlight    = 128
	DefaultQueue       = 512
	DefaultBodyTime    = 30 * time.Second
	DefaultRequestTime = 2 * time.Minute
)

// charsPerToken is how many characters of a text are read for each token that the model takes: a text that has more would
// be tokenised for a long time and then cut off.
const charsPerToken = 250

// Limits are how much a server takes; zero fields are the defaults.
type Limits struct {
	// BodyBytes is how large a request's body may be; more is a 413. For a stream of lines it is how long a line may be.
	BodyBytes int64
	// Texts is how many texts, items or ids one request may have; more is a 413. A stream of lines has any number.
	Texts int
	// TextChars is how many characters a text may have; more is a 413. The default is 250 for each token that the model
	// takes.
	TextChars int
	// InFlight is how many requests are answered at once. Nothing of another one is read.
	InFlight int
	// Queue is how many requests wait for their turn; what comes then is a 429. Negative is none.
	Queue int
	// BodyTime is how long a body may take to come; more is a 408. For a stream of lines it is how long the client may
	// neither send a line nor take an answer.
	BodyTime time.Duration
	// RequestTime is how long a request may take, waiting for its turn included; more is a 503. Streams of lines have as long
	// as they need.
	RequestTime time.Duration
}

func (l Limits) withDefaults() Limits {
	return Limits{
		BodyBytes:   cmp.Or(l.BodyBytes, DefaultBodyBytes),
		Texts:       cmp.Or(l.Texts, DefaultTexts),
		TextChars:   l.TextChars, // what it is by default is for the model to say
		InFlight:    cmp.Or(l.InFlight, DefaultInFlight),
		Queue:       max(0, cmp.Or(l.Queue, DefaultQueue)),
		BodyTime:    cmp.Or(l.BodyTime, DefaultBodyTime),
		RequestTime: cmp.Or(l.RequestTime, DefaultRequestTime),
	}
}

func (l *Limits) textChars(model *embeddings.ModelInfo) int {
	return cmp.Or(l.TextChars, charsPerToken*model.MaxTokens)
}
