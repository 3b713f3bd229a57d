package embeddings

import (
	"context"
	"fmt"

	"github.com/teranos/libqntx_embed/go/internal/capi"
)

// ReindexOptions says how a store is moved to another model. Zero is what most want.
type ReindexOptions struct {
	// KeepOld leaves the other models' rows where they are.
	KeepOld bool
}

// ReindexReport is what a move has done.
type ReindexReport struct {
	// Embedded is how many rows were embedded and stored by this call.
	Embedded int
	// Truncated is how many of them have more tokens than the model takes, and were cut: see [IngestChunks].
	Truncated int
	// Deleted is how many rows of other models were deleted at the end.
	Deleted int
}

// Reindex moves the store to a model: each row of any other model gets one of this model, with the same source, chunk,
// range, text, metadata and creation time; when none is missing, the others are deleted, in one transaction, and the new rows
// get their ids. Of several models' rows of one source and chunk, that which was written last is taken; one that this model
// has already, written later or with the same content, stays as it is.
//
// Until that transaction the old rows are all there, so a search by the old model answers as before; one by the new model
// finds what is done. What others write meanwhile, also in other processes, is not lost: new and changed rows of other models
// are embedded too, before the switch, and of a row that is deleted the copy goes as well.
//
// It takes as long as embedding all texts. A context that is done ends it with what is done so far: another call goes on from
// there, as after a crash. Close of the store and the service wait for it.
//
// Texts get the prompt [PromptDocument], unless the options say otherwise; WithDimensions counts too, and WithProgress is told
// how many rows of how many are done, those of earlier calls too. WithTruncate is an ErrInvalidArgument.
func (s *EmbeddingStore) Reindex(ctx context.Context, service *ManagedEmbeddingService, options ReindexOptions, opts ...EmbedOption) (*ReindexReport, error) {
	settings, err := NewEmbedSettings(opts...)
	if err != nil {
		return nil, err
	}
	if settings.Truncate != TruncateDefault {
		return nil, invalid("Reindex takes no WithTruncate: its report says how many texts were cut")
	}
	model, err := service.open(ctx)
	if err != nil {
		return nil, err
	}
	embedding := settings.native()
	report, err := s.native.Reindex(ctx, model, capi.ReindexOptions{
		PromptKind: embedding.PromptKind,
		Prompt:     embedding.Prompt,
		Dimensions: embedding.Dimensions,
		KeepOld:    options.KeepOld,
		Progress:   embedding.Progress,
	})
	if err != nil {
		err = public(err)
		if done := ctx.Err(); done != nil {
			err = fmt.Errorf("%w (%w)", err, done)
		}
		return nil, err
	}
	return &ReindexReport{Embedded: report.Embedded, Truncated: report.Truncated, Deleted: report.Deleted}, nil
}
