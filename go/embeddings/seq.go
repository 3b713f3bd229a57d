package embeddings

import (
	"context"
	"fmt"
	"iter"
)

// What EmbedSeq embeds with one call, at most.
const (
	seqTexts = 256
	seqBytes = 1 << 20
)

// EmbedSeq gives the vectors of any number of texts, in their order, in constant memory: they are read, embedded and given
// in batches of 256, or of a megabyte, the next of which is read while one is embedded.
//
//	for result, err := range service.EmbedSeq(ctx, texts) {
//		if err != nil {
//			return err
//		}
//		...
//	}
//
// An error is the last that is given. A loop that is left ends what is being embedded; texts that were read ahead are
// lost. texts runs on the goroutine of the loop. WithProgress is an ErrInvalidArgument: the loop itself sees what is done.
func (s *ManagedEmbeddingService) EmbedSeq(ctx context.Context, texts iter.Seq[string], opts ...EmbedOption) iter.Seq2[*EmbeddingResult, error] {
	return func(yield func(*EmbeddingResult, error) bool) {
		settings, err := NewEmbedSettings(opts...)
		if err == nil && settings.Progress != nil {
			err = invalid("EmbedSeq takes no WithProgress: count what the loop gets")
		}
		if err != nil {
			yield(nil, err)
			return
		}
		type embedded struct {
			*BatchEmbeddingResult
			err error
		}
		ctx, cancel := context.WithCancel(ctx)
		var running chan embedded // has the batch that is being embedded; nil while there is none
		defer func() {
			cancel()
			if running != nil {
				<-running
			}
		}()
		read := 0 // texts of all batches that were started
		// next starts a batch (none, where it is empty) and gives the one before it.
		next := func(batch []string) bool {
			var done embedded
			if running != nil {
				done, running = <-running, nil
			}
			if done.err != nil {
				yield(nil, done.err)
				return false
			}
			if len(batch) > 0 {
				first, started := read, make(chan embedded, 1)
				go func() {
					results, err := s.EmbedBatch(ctx, batch, opts...)
					if err != nil {
						err = fmt.Errorf("of the texts from %d on: %w", first, err)
					}
					started <- embedded{results, err}
				}()
				read, running = read+len(batch), started
			}
			if done.BatchEmbeddingResult == nil {
				return true
			}
			for i := range done.Results {
				if !yield(&done.Results[i], nil) {
					return false
				}
			}
			return true
		}
		var batch []string
		bytes := 0
		for text := range texts {
			batch = append(batch, text)
			if bytes += len(text); len(batch) == seqTexts || bytes >= seqBytes {
				if !next(batch) {
					return
				}
				batch, bytes = nil, 0 // the goroutine has it
			}
		}
		_ = next(batch) && next(nil)
	}
}
