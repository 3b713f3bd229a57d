package server

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/wire"
)

// StreamLine answers one line of a stream of items, when it is stored or will not be.
type StreamLine struct {
	// Line is which one of the body, from 1; blank ones count and have no answer.
	Line int `json:"line"`
	// Status is "inserted", "replaced", "unchanged" or "failed".
	Status string `json:"status"`
	// Changes says what was done to the text, if anything.
	Changes *Changes `json:"changes,omitempty"`
	// Error says why it failed.
	Error *Problem `json:"error,omitempty"`
}

// StreamEnd is the last line of an answer; without it the answer is not whole.
type StreamEnd struct {
	// Done says that all lines of the body were read and answered.
	Done      bool    `json:"done"`
	Processed int     `json:"processed"`
	Failed    int     `json:"failed"`
	TimeMS    float64 `json:"time_ms"`
	// Error says why the stream was not read to its end; what was answered before is stored.
	Error *Problem `json:"error,omitempty"`
}

// What is stored with one transaction, at most: enough to keep all threads busy.
const (
	streamItems = 256
	streamBytes = 1 << 20
)

const mediaTypeNDJSON = "application/x-ndjson"

func isStream(r *http.Request) bool {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && mediaType == mediaTypeNDJSON
}

// stream is one that is being read and answered: one goroutine reads, the handler's stores. Between them is no more than
// one batch, so a client sends as fast as its texts are embedded.
type stream struct {
	s          *server
	model      *embeddings.ModelInfo
	control    *http.ResponseController
	out        *json.Encoder
	flush      func() error
	onlyFailed bool
	chunking   *embeddings.Chunking // nil: texts are stored whole
	end        StreamEnd
}

// streamedItem is a line that was read.
type streamedItem struct {
	line    int
	item    embeddings.Item
	changes Changes
	err     error
}

// batchStream answers POST /api/embeddings/batch with a stream of items.
func (s *server) batchStream(w http.ResponseWriter, r *http.Request, model *embeddings.ModelInfo) error {
	if s.store == nil {
		return errNoStore
	}
	t := &stream{s: s, model: model, control: http.NewResponseController(w)}
	err := readQuery(r, map[string]func(string) error{
		"answers": readAnswers(&t.onlyFailed),
		"chunk": func(value string) error {
			document, err := wire.Document([]byte(value))
			if err != nil {
				return fmt.Errorf(`parameter "chunk": %w`, err)
			}
			return readChunk(model, &t.chunking)(document)
		},
	})
	if err != nil {
		return err
	}
	_ = t.control.EnableFullDuplex() // HTTP/2 is so anyway, and where there is no connection it does not matter
	w.Header().Set("Content-Type", mediaTypeNDJSON)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	buffer := bufio.NewWriter(w)
	t.out = json.NewEncoder(buffer)
	t.out.SetEscapeHTML(false)
	t.flush = func() error {
		t.step(t.control.SetWriteDeadline)
		if err := buffer.Flush(); err != nil {
			return err
		}
		if err := t.control.Flush(); !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		return nil
	}
	start := time.Now()
	err = t.run(r)
	t.end.TimeMS = milliseconds(time.Since(start))
	if t.end.Done = err == nil; err != nil {
		t.end.Error = s.lateProblem(r.Context(), "stream failed", err)
	}
	_ = t.out.Encode(&t.end) // a client that has gone needs no answer
	_ = t.flush()
	return nil
}

// readAnswers reads which items are answered. Of a body that is answered whole it is those that failed, always.
func readAnswers(onlyFailed *bool) func(string) error {
	return func(value string) error {
		if value != "all" && value != "failed" {
			return fmt.Errorf(`parameter "answers" is %q; expected "all" or "failed"`, value)
		}
		*onlyFailed = value == "failed"
		return nil
	}
}

// step gives the client its time for what comes next.
func (t *stream) step(set func(time.Time) error) (deadline time.Time) {
	deadline = time.Now().Add(t.s.limits.BodyTime)
	_ = set(deadline) // where it cannot be set, the host's hold
	return deadline
}

// run reads and answers to the end of the body.
func (t *stream) run(r *http.Request) error {
	ctx, cancel := context.WithCancel(r.Context())
	batches := make(chan []streamedItem)
	var unread error // set before batches is closed
	go func() {
		defer close(batches)
		if unread = t.read(ctx, r.Body, batches); unread != nil {
			cancel() // the client has gone, or sends no more, and what runs need not be finished
		}
	}()
	err := t.answer(ctx, batches)
	// The reader must not outlive the request.
	cancel()
	if err != nil {
		_ = t.control.SetReadDeadline(time.Now())
	}
	for range batches {
	}
	if unread == nil && err == nil {
		_ = t.control.SetReadDeadline(time.Time{})
		return nil
	}
	// net/http cancels a request whose body cannot be read, so that both may have an error; that of the reader came first.
	if p, ok := errors.AsType[*problem](unread); ok {
		return p
	}
	return cmp.Or(err, unread)
}

// answer stores what is read until there is no more.
func (t *stream) answer(ctx context.Context, batches <-chan []streamedItem) error {
	for {
		select {
		case batch, more := <-batches:
			if !more {
				return nil
			}
			if err := t.store(ctx, batch); err != nil {
				return err
			}
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", embeddings.ErrCancelled, ctx.Err())
		}
	}
}

// read reads lines and gives them in batches: as many as there are without waiting for more.
func (t *stream) read(ctx context.Context, body io.Reader, batches chan<- []streamedItem) error {
	lines := bufio.NewReaderSize(body, 64<<10)
	var batch []streamedItem
	size := 0
	for number := 1; ; number++ {
		deadline := t.step(t.control.SetReadDeadline)
		if ctx.Err() != nil {
			return ctx.Err() // run has set another deadline, which this may have replaced
		}
		line, err := readLine(lines, t.s.limits.BodyBytes)
		if len(bytes.TrimSpace(line)) > 0 || errors.Is(err, errLongLine) {
			item := t.parse(ctx, number, line, err)
			batch = append(batch, item)
			size += len(item.item.Text)
		}
		atEnd := err != nil && !errors.Is(err, errLongLine)
		if len(batch) > 0 && (atEnd || len(batch) == streamItems || size >= streamBytes || !lineBuffered(lines)) {
			select {
			case batches <- batch:
			case <-ctx.Done():
				return ctx.Err()
			}
			batch, size = nil, 0
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded) && time.Now().Before(deadline):
			return ctx.Err() // it is the one that run has set
		case atEnd:
			return unread(err)
		}
	}
}

var errLongLine = errors.New("the line is too long")

// readLine gives a line without its end. Of one that is longer than limit it reads all and gives nothing.
func readLine(lines *bufio.Reader, limit int64) (line []byte, err error) {
	long := false
	for {
		part, err := lines.ReadSlice('\n')
		if long = long || int64(len(line)+len(part)) > limit; !long {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && !errors.Is(err, io.EOF):
			return nil, err // what there is of a line is not one
		case long:
			return nil, errLongLine // an end of the body comes again
		}
		return line, err
	}
}

func lineBuffered(lines *bufio.Reader) bool {
	buffered, _ := lines.Peek(lines.Buffered()) // cannot fail: it is there
	return bytes.IndexByte(buffered, '\n') >= 0
}

func (t *stream) parse(ctx context.Context, number int, line []byte, err error) streamedItem {
	read := streamedItem{line: number}
	if err != nil && errors.Is(err, errLongLine) {
		read.err = &problem{http.StatusRequestEntityTooLarge, "line-too-long",
			fmt.Sprintf("the line is longer than %d bytes", t.s.limits.BodyBytes)}
		return read
	}
	document, err := wire.Document(line)
	if err == nil {
		read.item, err = wire.Item("", document)
	}
	if err != nil {
		read.err = invalid(err)
		return read
	}
	own := new(call) // for the changes of this line alone
	read.item.Text, read.err = t.s.clean(context.WithValue(ctx, callKey{}, own), t.model, "text", read.item.Text)
	read.changes = own.changes
	return read
}

// store stores a batch and answers its lines. An error is the end of the stream.
func (t *stream) store(ctx context.Context, batch []streamedItem) error {
	var items []embeddings.Item
	var places []int
	for i := range batch {
		if batch[i].err == nil {
			items, places = append(items, batch[i].item), append(places, i)
		}
	}
	outcomes := make([]embeddings.Outcome, len(batch))
	done, err := t.ingest(ctx, items)
	var fatal error
	switch {
	case err == nil:
		for i, outcome := range done {
			outcomes[places[i]] = outcome
		}
	case problemOf(err).status < 500 && len(items) > 1: // one of them is to blame
		for i, item := range items {
			one, err := t.ingest(ctx, []embeddings.Item{item})
			if err != nil {
				batch[places[i]].err = err
				if problemOf(err).status >= 500 {
					fatal = err
				}
				continue
			}
			outcomes[places[i]] = one[0]
		}
	default:
		for _, place := range places {
			batch[place].err = err
		}
		if problemOf(err).status >= 500 {
			fatal = err
		}
	}
	for i, read := range batch {
		answer := StreamLine{Line: read.line, Status: outcomes[i].String()}
		if read.changes != (Changes{}) {
			answer.Changes = &read.changes
		}
		if read.err != nil {
			answer.Status, answer.Error = "failed", problemBody(problemOf(read.err), callOf(ctx))
			t.end.Failed++
		} else if t.end.Processed++; t.onlyFailed {
			continue
		}
		if err := t.out.Encode(&answer); err != nil {
			return err
		}
	}
	if err := t.flush(); err != nil {
		return fmt.Errorf("%w: the answer could not be written: %w", embeddings.ErrCancelled, err)
	}
	return fatal
}

// ingest stores items when the caller's rate and the model's queue let it.
func (t *stream) ingest(ctx context.Context, items []embeddings.Item) ([]embeddings.Outcome, error) {
	for {
		wait := t.s.rates.delay(callOf(ctx).caller)
		if wait == 0 {
			outcomes, err := t.s.ingest(ctx, items, t.chunking)
			if !errors.Is(err, embeddings.ErrOverloaded) {
				return outcomes, err
			}
			wait = 100 * time.Millisecond
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", embeddings.ErrCancelled, ctx.Err())
		}
	}
}
