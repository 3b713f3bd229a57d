// Command soak loads a server with what a bad day has: many connections, mixed routes, broken requests, clients that hang
// up, slow readers, and a kill -9 in the middle. It fails where a request is answered as it must not be, where memory or
// goroutines grow, or where an acknowledged write is gone after the restart.
//
//	go run . -server ../../bin/qntx-embed -model DIR -duration 10m -settle 1m
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

func main() {
	program := flag.String("server", "bin/qntx-embed", "the program")
	model := flag.String("model", "models/all-MiniLM-L6-v2", "its model")
	duration := flag.Duration("duration", time.Minute, "how long the load lasts, the kill in its middle")
	settle := flag.Duration("settle", 20*time.Second, "how long memory and goroutines may grow after each start")
	connections := flag.Int("connections", 256, "clients at once")
	flag.Parse()
	if err := run(*program, *model, *duration, *settle, *connections); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func run(program, model string, duration, settle time.Duration, connections int) error {
	half := duration / 2
	if least := settle + 10*time.Second; half < least {
		return fmt.Errorf("each half of -duration %v must last %v at least, 10 s more than -settle", duration, least)
	}
	scratch, err := os.MkdirTemp("", "soak-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	l := newLoad(connections)
	for round := range 2 {
		server, err := start(program, "--model", model, "--db", filepath.Join(scratch, "soak.db"), "--pprof",
			"--body-timeout", "5s", "--request-timeout", "20s", "--header-timeout", "5s", "--log-level", "warn")
		if err != nil {
			return err
		}
		defer server.kill()
		if round == 0 {
			err = l.fill(server.address)
		} else {
			err = l.verify(server.address)
		}
		if err != nil {
			return err
		}
		ctx, stop := context.WithTimeout(context.Background(), half)
		grown := make(chan error, 1)
		go func() { grown <- server.watch(ctx, settle, window(half, settle)) }()
		// The killed round ends in full load; what was under way then is neither acknowledged nor refused.
		l.run(ctx, server.address, func() {
			if round == 0 {
				server.kill()
			}
		})
		stop()
		if err := <-grown; err != nil {
			return err
		}
		if round == 1 {
			if err := server.settleAndStop(); err != nil {
				return err
			}
		}
	}
	return l.report(duration)
}
