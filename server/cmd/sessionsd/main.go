// Command sessionsd serves the Cloud Sessions API and manages its tokens.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	_ "github.com/cloud-sessions/sessions/server/blob/s3" // for --blobs s3://BUCKET
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the first signal drains; a second one ends the program at once
	if err := command(os.Stdout, os.Stderr).ExecuteContext(ctx); err != nil {
		for _, message := range messages(err) {
			fmt.Fprintln(os.Stderr, "sessionsd:", message)
		}
		os.Exit(1)
	}
}
