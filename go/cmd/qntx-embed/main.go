// Command qntx-embed embeds texts, keeps them in a database file and searches them by meaning, at the shell and over
// HTTP. `qntx-embed help` says how.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/teranos/libqntx_embed/go/embeddings"
	_ "github.com/teranos/libqntx_embed/go/internal/capi/arenas"
)

// version is that of the whole project; a test compares it with the library's.
const version = "0.1.0"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks to end, the second one does.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], console{os.Stdin, os.Stdout, os.Stderr}))
}

// console is where a command reads and writes.
type console struct {
	in       io.Reader
	out, err io.Writer
}

// usageError is a command line that is not understood.
type usageError string

func (e usageError) Error() string { return string(e) }

// run gives the exit code: 0, 1 after a failure, 2 for a command line that is not understood.
func run(ctx context.Context, args []string, c console) int {
	err := dispatch(ctx, args, c)
	if err == nil {
		return 0
	}
	fmt.Fprintln(c.err, "qntx-embed:", strings.ReplaceAll(err.Error(), "\n", " "))
	if _, ok := errors.AsType[usageError](err); ok {
		return 2
	}
	return 1
}

func dispatch(ctx context.Context, args []string, c console) error {
	if len(args) == 0 {
		fmt.Fprint(c.err, overview())
		return usageError("a command is missing")
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		return help(args[1:], c)
	case "-version", "--version":
		args = []string{"version"}
	}
	cmd, err := find(args[0])
	if err != nil {
		return err
	}
	flags := cmd.flags()
	positional, err := flags.parse(args[1:])
	if errors.Is(err, errHelp) {
		fmt.Fprint(c.out, cmd.help())
		return nil
	}
	if err != nil {
		return usageError(fmt.Sprintf("%s: %v; see qntx-embed help %s", cmd.name, err, cmd.name))
	}
	if err := cmd.run(ctx, flags, positional, c); err != nil {
		if _, ok := errors.AsType[usageError](err); ok {
			return usageError(fmt.Sprintf("%s: %v; see qntx-embed help %s", cmd.name, err, cmd.name))
		}
		return err
	}
	return nil
}

func runVersion(_ context.Context, _ *flags, args []string, c console) error {
	if len(args) > 0 {
		return unexpected(args[0])
	}
	native, err := embeddings.LibraryVersion()
	if err != nil {
		native = "not in this build, compile with -tags=rustembeddings"
	}
	fmt.Fprintf(c.out, "qntx-embed %s (libqntx_embed: %s; %s %s/%s)\n",
		version, native, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

func unexpected(arg string) error {
	return usageError(fmt.Sprintf("unexpected argument %q", arg))
}
