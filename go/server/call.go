package server

import (
	"context"
	"crypto/rand"
	"net"
	"net/http"
	"net/netip"
	"regexp"
)

// call is what is known of a request beside the request itself. Only the goroutine that answers changes it.
type call struct {
	id string
	// key is nil where the server has no keys, or none is needed.
	key *Key
	// caller is whom a rate is for: a key, or an address.
	caller string
	// changes says what was done to texts.
	changes Changes
	// texts are those for the log; nil where none are wanted.
	texts []string
}

type callKey struct{}

// callOf gives a request's call, and an empty one to what was not called by a request.
func callOf(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	return new(call)
}

func newCall(r *http.Request) *call {
	return &call{id: requestID(r), caller: address(r)}
}

var goodID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// requestID is the one that the client or a proxy gives, or a new one.
func requestID(r *http.Request) string {
	if id := r.Header.Get("X-Request-Id"); goodID.MatchString(id) {
		return id
	}
	return rand.Text()
}

// address is where a request comes from: of IPv6 the network, because every host has 2^64 addresses to come from.
func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	network, err := ip.Prefix(64)
	if err != nil {
		return host
	}
	return network.String()
}
