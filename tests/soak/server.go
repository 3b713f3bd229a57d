package main

// The server's process: started, watched, killed or stopped.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

type server struct {
	cmd     *exec.Cmd
	address string
	log     bytes.Buffer // to be read when ended is closed
	ended   chan struct{}
	failed  error // of the process; set before ended is closed
}

func start(program string, flags ...string) (*server, error) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := free.Addr().String()
	free.Close()
	s := &server{address: "http://" + address, ended: make(chan struct{})}
	s.cmd = exec.Command(program, append([]string{"serve", "--listen", address, "--log-level", "warn"}, flags...)...)
	s.cmd.Stderr = &s.log
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		s.failed = s.cmd.Wait()
		close(s.ended)
	}()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if response, err := http.Get(s.address + "/readyz"); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return s, nil
			}
		}
		select {
		case <-s.ended:
			return nil, fmt.Errorf("the server ended at once: %v\n%s", s.failed, &s.log)
		default:
		}
	}
	s.kill()
	return nil, fmt.Errorf("the server is not ready after a minute\n%s", &s.log)
}

// kill is kill -9, and waits for the end.
func (s *server) kill() {
	_ = s.cmd.Process.Kill() // it may have ended
	<-s.ended
}

// window is what is averaged of memory and goroutines after settling, and at the end: Go's heap is a sawtooth whose teeth last some
// 20 seconds under this load.
func window(half, settle time.Duration) time.Duration {
	return min((half-settle)*2/5, 30*time.Second)
}

// state is what must not grow.
type state struct {
	rss        float64 // bytes
	goroutines float64
}

var goroutines = regexp.MustCompile(`(?m)^go_goroutines (\d+)$`)

func (s *server) state() (now state, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return now, err
	}
	for line := range strings.Lines(string(status)) {
		if value, found := strings.CutPrefix(line, "VmRSS:"); found {
			kilobytes, err := strconv.ParseFloat(strings.Fields(value)[0], 64)
			if err != nil {
				return now, err
			}
			now.rss = kilobytes * 1024
		}
	}
	client := http.Client{Timeout: 10 * time.Second}
	response, err := client.Get(s.address + "/metrics")
	if err != nil {
		return now, err
	}
	defer response.Body.Close()
	metrics, err := io.ReadAll(response.Body)
	if err != nil {
		return now, err
	}
	found := goroutines.FindSubmatch(metrics)
	if found == nil {
		return now, fmt.Errorf("/metrics has no go_goroutines: %s", response.Status)
	}
	now.goroutines, err = strconv.ParseFloat(string(found[1]), 64)
	return now, err
}

// watch compares a window after settling with the last one before ctx is done.
func (s *server) watch(ctx context.Context, settle, window time.Duration) error {
	begun := time.Now()
	var states []state
	var times []time.Duration
	for ; ctx.Err() == nil; time.Sleep(250 * time.Millisecond) {
		now, err := s.state()
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return fmt.Errorf("the state of the server: %w", err)
		}
		states, times = append(states, now), append(times, time.Since(begun))
	}
	last := time.Since(begun)
	first := mean(states, times, settle, settle+window)
	end := mean(states, times, last-window, last)
	fmt.Printf("  memory %.0f MB in the %v after %v, %.0f MB in those before %v; goroutines %.0f, %.0f\n", first.rss/1e6,
		window, settle, end.rss/1e6, last.Round(time.Second), first.goroutines, end.goroutines)
	// What is allowed is noise: caches that fill with what comes along, and how many requests are under way.
	if end.rss > first.rss*1.08+8e6 {
		return errors.New("memory grows")
	}
	if end.goroutines > first.goroutines*1.25+50 {
		return errors.New("goroutines grow")
	}
	return nil
}

func mean(states []state, times []time.Duration, from, to time.Duration) (sum state) {
	n := 0.0
	for i, at := range times {
		if at >= from && at < to {
			sum.rss, sum.goroutines, n = sum.rss+states[i].rss, sum.goroutines+states[i].goroutines, n+1
		}
	}
	return state{sum.rss / n, sum.goroutines / n}
}

// idleGoroutines is more than a server has that does nothing.
const idleGoroutines = 40

// settleAndStop waits until nothing is under way any more, and ends the server as an operator does.
func (s *server) settleAndStop() error {
	var now state
	var err error
	for deadline := time.Now().Add(40 * time.Second); ; time.Sleep(250 * time.Millisecond) {
		if now, err = s.state(); err == nil && now.goroutines <= idleGoroutines {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("without load %.0f goroutines are left (error %v); expected at most %d\n%s", now.goroutines, err, idleGoroutines, s.stacks())
		}
	}
	fmt.Printf("  without load: memory %.0f MB, goroutines %.0f\n", now.rss/1e6, now.goroutines)
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	<-s.ended
	text := s.log.String()
	if s.failed != nil || strings.Contains(text, "panic") || strings.Contains(text, "level=ERROR") {
		return fmt.Errorf("the server's end: %v; its log has\n%.4000s", s.failed, text)
	}
	return nil
}

// stacks says what goroutines do.
func (s *server) stacks() string {
	response, err := http.Get(s.address + "/debug/pprof/goroutine?debug=1")
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	return string(text[:min(len(text), 8000)])
}
