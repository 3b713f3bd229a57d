package embeddings

import (
	"fmt"

	"github.com/teranos/libqntx_embed/go/internal/capi"
)

// EmbedOption changes one call of Embed or EmbedBatch.
type EmbedOption func(*EmbedSettings) error

// EmbedSettings is what the options of a call say, for those who implement [EmbeddingService]; [NewEmbedSettings] makes
// it. Zero is the default of every field.
type EmbedSettings struct {
	// PromptName names the prompt that is put before each text; empty where Prompt or the model says.
	PromptName string
	// Prompt points to the words that are put before each text; nil where PromptName or the model says.
	Prompt *string
	// Dimensions is how many components a vector has; 0 is as many as the model says.
	Dimensions int
	// Truncate says which end of a long text is cut off.
	Truncate Truncate
	// Progress is told how many texts of how many are done; nil is nobody.
	Progress func(done, total int)
}

// NewEmbedSettings gathers options; the error is an ErrInvalidArgument.
func NewEmbedSettings(opts ...EmbedOption) (EmbedSettings, error) {
	var settings EmbedSettings
	for _, option := range opts {
		if err := option(&settings); err != nil {
			return EmbedSettings{}, err
		}
	}
	if settings.PromptName != "" && settings.Prompt != nil {
		return EmbedSettings{}, invalid("both WithPromptName(%q) and WithPrompt(%q); expected one of them",
			settings.PromptName, *settings.Prompt)
	}
	return settings, nil
}

// Prompts that every model has, as in sentence-transformers; they are empty where the directory does not say.
const (
	// PromptQuery is for what is searched for.
	PromptQuery = "query"
	// PromptDocument is for what is stored, to be found.
	PromptDocument = "document"
)

// WithPromptName puts the model's prompt of this name before each text (see [ModelInfo.Prompts]); a name that the model
// does not have is an ErrInvalidArgument. By default it is [ModelInfo.DefaultPromptName], where there is one.
func WithPromptName(name string) EmbedOption {
	return func(s *EmbedSettings) error {
		if name == "" {
			return invalid("WithPromptName: the name is empty; WithPrompt(\"\") is for no prompt")
		}
		s.PromptName = name
		return nil
	}
}

// WithPrompt puts these words before each text, where "" is no prompt, not even the default one.
func WithPrompt(prompt string) EmbedOption {
	return func(s *EmbedSettings) error {
		s.Prompt = &prompt
		return nil
	}
}

// WithDimensions gives only so many leading components of each vector, at unit length again where the model normalises:
// for models that were trained for it (Matryoshka representations). 0 is as many as the model says; more than
// [ModelInfo.FullDimensions] is an ErrDimensions.
func WithDimensions(n int) EmbedOption {
	return func(s *EmbedSettings) error {
		if n < 0 {
			return &Error{Code(capi.Dimensions), fmt.Sprintf("WithDimensions(%d): expected 0 (what the model says) or more", n)}
		}
		s.Dimensions = n
		return nil
	}
}

// Truncate says which end of a text is cut off where it has more tokens than the model takes.
type Truncate int

const (
	// TruncateDefault is what the directory says: mostly the end.
	TruncateDefault = Truncate(capi.TruncateDefault)
	// TruncateRight is the end.
	TruncateRight = Truncate(capi.TruncateRight)
	// TruncateLeft is the beginning.
	TruncateLeft = Truncate(capi.TruncateLeft)
	// TruncateError is neither: the call is an [ErrTooLong].
	TruncateError = Truncate(capi.TruncateError)
)

// WithTruncate sets which end of a long text is cut off. The default is [TruncateDefault].
func WithTruncate(truncate Truncate) EmbedOption {
	return func(s *EmbedSettings) error {
		if truncate < TruncateDefault || truncate > TruncateError {
			return invalid("WithTruncate(%d): expected TruncateDefault, TruncateRight, TruncateLeft or TruncateError", truncate)
		}
		s.Truncate = truncate
		return nil
	}
}

// WithProgress has report called with how many texts of how many are done, where one that comes twice counts once: on the
// goroutine that makes the call, which goes on when report returns, and keeps its place in the library until then. It must not end
// its goroutine.
func WithProgress(report func(done, total int)) EmbedOption {
	return func(s *EmbedSettings) error {
		s.Progress = report
		return nil
	}
}

// native is the settings as the library takes them.
func (s *EmbedSettings) native() capi.EmbedOptions {
	options := capi.EmbedOptions{Dimensions: s.Dimensions, Truncate: capi.Truncate(s.Truncate), Progress: s.Progress}
	switch {
	case s.Prompt != nil:
		options.PromptKind, options.Prompt = capi.PromptText, *s.Prompt
	case s.PromptName != "":
		options.PromptKind, options.Prompt = capi.PromptNamed, s.PromptName
	}
	return options
}
