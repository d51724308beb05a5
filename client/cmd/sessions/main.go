// Command sessions works with a Cloud Sessions server from the command line.
package main

import (
	"context"
	"os"
)

func main() {
	ctx, signals := watchSignals(context.Background())
	os.Exit(run(ctx, newApp(signals), os.Args[1:]))
}
