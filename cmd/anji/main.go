// Command anji is the whole of Anji in one binary.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	// Every time and day of the system is China's, wherever it runs.
	time.Local = time.FixedZone("CST", 8*60*60)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cmd := root()
	cmd.SetContext(ctx)
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return
	}
	code := 1
	if e, ok := err.(exitError); ok {
		code = e.code
		err = e.err
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "anji:", err)
	}
	os.Exit(code)
}

// exitError carries an exit status; err may be nil when all was said.
type exitError struct {
	code int
	err  error
}

func (e exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}
