// Command sessions works with a Cloud Sessions server from the command line.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the first signal ends the command, which tidies up; a second one ends the program at once
	os.Exit(run(ctx, newApp(), os.Args[1:]))
}
