// Command tools runs what people use with an OpenAPI document on the contract: generators, validators, mock servers, viewers
// and converters. It writes what it finds to api/tools.md. It needs npm, Java and Chromium, and some minutes.
//
//	go run ./.ci/tools              run all tools and write the table
//	go run ./.ci/tools -only kubb   run the tools whose name matches a regular expression, and write nothing
//	go run ./.ci/tools -check       only whether the table was written for the present contract and the present tools
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

func main() {
	check := flag.Bool("check", false, "only check that the table is up to date")
	only := flag.String("only", "", "run the tools whose name matches this regular expression")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *check, *only); err != nil {
		fmt.Fprintln(os.Stderr, "tools:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, check bool, only string) error {
	if check {
		return checkTable()
	}
	pattern, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	bench, err := newBench(ctx)
	if err != nil {
		return err
	}
	defer bench.close()
	var tried errgroup.Group
	tried.SetLimit(3)
	errs := make([]error, len(list))
	for i, t := range list {
		if !pattern.MatchString(t.name) {
			continue
		}
		tried.Go(func() error {
			start := time.Now()
			err := bench.try(t)
			fmt.Printf("%-36s %4.0f s  %s\n", t.name, time.Since(start).Seconds(), verdict(err))
			if err != nil {
				errs[i] = fmt.Errorf("%s: %w", t.name, err)
			}
			return nil
		})
	}
	_ = tried.Wait()
	if err := errors.Join(errs...); err != nil || only != "" {
		return err
	}
	return writeTable()
}

func verdict(err error) string {
	if err != nil {
		return "FAILS"
	}
	return "ok"
}
