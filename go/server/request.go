package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"os"
	"slices"
	"unicode/utf8"

	"github.com/teranos/libqntx_embed/go/internal/wire"
)

// readQuery reads a URL's parameters, each of which may come once and must not be empty.
func readQuery(r *http.Request, parameters map[string]func(value string) error) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return invalid(fmt.Errorf("the query is not valid: %w", err))
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		read, known := parameters[name]
		values := query[name]
		switch {
		case !known:
			expected := "none"
			if len(parameters) > 0 {
				expected = wire.Names(slices.Sorted(maps.Keys(parameters)))
			}
			return invalid(fmt.Errorf("unknown parameter %q; expected %s", name, expected))
		case len(values) > 1:
			return invalid(fmt.Errorf("parameter %q comes %d times; expected once", name, len(values)))
		case values[0] == "":
			return invalid(fmt.Errorf("parameter %q is empty; leave it out or give a value", name))
		case !utf8.ValidString(values[0]):
			return invalid(fmt.Errorf("parameter %q is not valid UTF-8", name))
		}
		if err := read(values[0]); err != nil {
			return invalid(err)
		}
	}
	return nil
}

// readBody reads a JSON object from a request without parameters.
func readBody(r *http.Request, fields wire.Fields) error {
	if err := readQuery(r, nil); err != nil {
		return err
	}
	return readObject(r, fields)
}

// readObject reads a JSON object from a request's body.
func readObject(r *http.Request, fields wire.Fields) error {
	contentType := r.Header.Get("Content-Type")
	if mediaType, _, err := mime.ParseMediaType(contentType); err != nil || mediaType != "application/json" {
		return &problem{http.StatusUnsupportedMediaType, "unsupported-media-type",
			fmt.Sprintf("Content-Type is %q; expected application/json", contentType)}
	}
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return unread(err)
	}
	var document json.RawMessage
	if document, err = wire.Document(data); err == nil {
		err = wire.Object("", document, fields)
	}
	switch {
	case errors.Is(err, wire.ErrTooMany):
		return &problem{http.StatusRequestEntityTooLarge, "too-many-items", err.Error() + "; send several requests"}
	case err != nil:
		return invalid(fmt.Errorf("the body: %w", err))
	}
	return nil
}

// unread is the error for a body that could not be read.
func unread(err error) error {
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return bodyTooLarge(tooLarge.Limit)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &problem{http.StatusRequestTimeout, "body-timeout", "the body did not come in the time that this server allows"}
	}
	return invalid(fmt.Errorf("the body could not be read: %w", err))
}

func bodyTooLarge(limit int64) error {
	return &problem{http.StatusRequestEntityTooLarge, "body-too-large",
		fmt.Sprintf("the body is larger than %d bytes; send several requests", limit)}
}
