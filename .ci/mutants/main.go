// Command mutants breaks lines that only protect, one at a time, and reports whether the tests notice.
//
// Each mutant of the list is built into the tests that must fail with it. The files stay as they are: the Go command
// reads the changed one through an overlay. A mutant whose tests pass has survived: its line is not tested. One that
// does not apply to exactly one place, or that does not compile, is broken. Either makes the command fail.
//
//	go run ./.ci/mutants              all mutants
//	go run ./.ci/mutants -check       only whether each of them still applies and its tests still exist
//	go run ./.ci/mutants -tenth       a tenth of them, chosen by the hash of the commit
//	go run ./.ci/mutants -only auth   those whose name matches a regular expression
//	go run ./.ci/mutants -tested      without a run of their tests on the code as it is, which `make ci` makes anyway
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

func main() {
	check := flag.Bool("check", false, "only check that every mutant applies and that its tests exist")
	tenth := flag.Bool("tenth", false, "run a tenth of the mutants, chosen by the hash of the commit")
	only := flag.String("only", "", "run the mutants whose name matches this regular expression")
	tested := flag.Bool("tested", false, "do not run the tests without a mutant first: something else does")
	parallel := flag.Int("parallel", 2, "number of mutants to run at a time")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *check, *tenth, *tested, *only, *parallel); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, check, tenth, tested bool, only string, parallel int) error {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	if err := checkAll(); err != nil || check {
		return err
	}
	chosen := list
	if tenth {
		if chosen, err = tenthOf(ctx, list); err != nil {
			return err
		}
	}
	var named []mutant
	for _, m := range chosen {
		if pattern.MatchString(m.name) {
			named = append(named, m)
		}
	}
	if len(named) == 0 {
		return errors.New("no mutant has such a name")
	}
	if !tested {
		fmt.Printf("mutants: %d; first their tests without a mutant\n", len(named))
		if err := passUnchanged(ctx, named); err != nil {
			return err
		}
	}
	return runAll(ctx, named, parallel)
}

// checkAll returns an error for every mutant that is broken, and an error for two of one name.
func checkAll() error {
	var errs []error
	names := map[string]bool{}
	for _, m := range list {
		if _, _, err := m.apply(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", m.name, err))
		}
		if err := m.checkTests(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", m.name, err))
		}
		if names[m.name] {
			errs = append(errs, fmt.Errorf("two mutants are called %q", m.name))
		}
		names[m.name] = true
	}
	if len(errs) > 0 {
		return fmt.Errorf("a list in .ci/mutants is out of date:\n%w", errors.Join(errs...))
	}
	return nil
}

// tenthOf returns every tenth mutant, beginning with one that the hash of the commit determines.
func tenthOf(ctx context.Context, all []mutant) ([]mutant, error) {
	out, err := exec.CommandContext(ctx, "git", "rev-parse", "HEAD").Output()
	if err != nil {
		return nil, fmt.Errorf("git rev-parse HEAD: %w", err)
	}
	commit := strings.TrimSpace(string(out))
	number, err := strconv.ParseUint(commit[:8], 16, 64)
	if err != nil {
		return nil, err
	}
	var chosen []mutant
	for i := int(number % 10); i < len(all); i += 10 {
		chosen = append(chosen, all[i])
	}
	fmt.Printf("mutants: commit %s chooses %d of %d\n", commit[:8], len(chosen), len(all))
	return chosen, nil
}

// passUnchanged returns an error unless the tests of the mutants pass on the code as it is: a test that fails anyway
// notices nothing. The tests of a package run together.
func passUnchanged(ctx context.Context, mutants []mutant) error {
	tests := map[string]map[string]bool{} // by packages; "" for all tests
	for _, m := range mutants {
		if tests[m.packages] == nil {
			tests[m.packages] = map[string]bool{}
		}
		for _, name := range strings.Fields(m.tests) {
			tests[m.packages][name] = true
		}
		if m.tests == "" {
			tests[m.packages][""] = true
		}
	}
	for packages, names := range tests {
		together := mutant{packages: packages}
		if !names[""] {
			together.tests = strings.Join(slices.Sorted(maps.Keys(names)), " ")
		}
		args := together.testArgs("10m")
		if out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("the tests fail without a mutant: go %s\n%s", strings.Join(args, " "), passing.ReplaceAll(out, nil))
		}
	}
	return nil
}

// outcome is what became of a mutant.
type outcome string

const (
	killed   outcome = "killed"
	survived outcome = "SURVIVED"
	skipped  outcome = "SKIPPED" // its tests need PostgreSQL, or else, which is not there
	broken   outcome = "BROKEN"
)

// runAll runs mutants, some at a time, and prints a line for each. It returns an error unless all were killed.
func runAll(ctx context.Context, mutants []mutant, parallel int) error {
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var mu sync.Mutex
	count := map[outcome]int{}
	var workers sync.WaitGroup
	next := make(chan int)
	for range max(parallel, 1) {
		workers.Go(func() {
			for i := range next {
				start := time.Now()
				what, note := mutants[i].runUntilKilled(ctx, filepath.Join(dir, strconv.Itoa(i)))
				mu.Lock()
				count[what]++
				fmt.Printf("%-8s %3.0f s  %s%s\n", what, time.Since(start).Seconds(), mutants[i].name, note)
				mu.Unlock()
			}
		})
	}
	for i := range mutants {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	workers.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	summary := fmt.Sprintf("killed %d, survived %d", count[killed], count[survived])
	if count[skipped] > 0 {
		summary += fmt.Sprintf(", skipped %d", count[skipped])
	}
	if count[broken] > 0 {
		summary += fmt.Sprintf(", broken %d", count[broken])
	}
	fmt.Println(summary)
	if count[killed]+count[skipped] != len(mutants) {
		return errors.New("every mutant must be killed: write the test that is missing, or mend its list in .ci/mutants")
	}
	return nil
}

// mutant is a line of code that protects, and what to break it to.
type mutant struct {
	name          string // what is lost
	in            string // the file, or a folder that has the file somewhere below
	before, after string // before must occur exactly once in the files, tests aside
	packages      string // whose tests must notice, separated by spaces
	tests         string // which of them, separated by spaces; all when empty
}

// apply returns the file that the mutant changes, and the changed text.
func (m mutant) apply() (file string, changed []byte, err error) {
	count := 0
	err = filepath.WalkDir(m.in, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if n := bytes.Count(text, []byte(m.before)); n > 0 {
			count += n
			file, changed = path, bytes.Replace(text, []byte(m.before), []byte(m.after), 1)
		}
		return err
	})
	if err == nil && count != 1 {
		err = fmt.Errorf("%q occurs %d times in %s, want once", m.before, count, m.in)
	}
	return file, changed, err
}

// checkTests returns an error for a test that no file of the packages has.
func (m mutant) checkTests() error {
	var sources []byte
	for _, dir := range strings.Fields(m.packages) {
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil || len(files) == 0 {
			return fmt.Errorf("%s has no tests: %w", dir, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			sources = append(sources, text...)
		}
	}
	for _, test := range strings.Fields(m.tests) {
		if !bytes.Contains(sources, []byte("\nfunc "+test+"(")) {
			return fmt.Errorf("%s is not a test of %s", test, m.packages)
		}
	}
	return nil
}

// testArgs returns the arguments of the Go command that run the mutant's tests.
func (m mutant) testArgs(timeout string) []string {
	args := []string{"test", "-v", "-vet=off", "-failfast", "-timeout=" + timeout}
	if m.tests != "" {
		args = append(args, "-run=^("+strings.Join(strings.Fields(m.tests), "|")+")$")
	}
	for _, dir := range strings.Fields(m.packages) {
		args = append(args, "./"+dir)
	}
	return args
}

// runUntilKilled runs a mutant's tests again when they pass, twice at most: a test of what happens at the same time may
// miss it once. The note says how often it did, since such a test should be made sure.
func (m mutant) runUntilKilled(ctx context.Context, base string) (what outcome, note string) {
	for missed := range 3 {
		if what, note = m.run(ctx, base); what != survived {
			if missed > 0 {
				note += fmt.Sprintf(", missed %d times", missed)
			}
			break
		}
	}
	return what, note
}

// passing finds the lines of tests that begin or pass.
var passing = regexp.MustCompile(`(?m)^ *(=== (RUN|PAUSE|CONT|NAME)|--- (PASS|SKIP)).*\n`)

// failedTest finds the name of a test that failed.
var failedTest = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)

// run runs the mutant's tests with the mutant built in. It keeps its files under the path base.
func (m mutant) run(ctx context.Context, base string) (what outcome, note string) {
	file, changed, err := m.apply()
	if err != nil {
		return broken, ": " + err.Error()
	}
	path, err := filepath.Abs(file)
	if err != nil {
		return broken, ": " + err.Error()
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{path: base + ".go"}})
	if err != nil {
		return broken, ": " + err.Error()
	}
	if err := errors.Join(os.WriteFile(base+".go", changed, 0o600), os.WriteFile(base+".json", overlay, 0o600)); err != nil {
		return broken, ": " + err.Error()
	}
	args := append(m.testArgs("2m"), "-overlay="+base+".json", "-count=1")
	out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput()
	switch {
	case err == nil && bytes.Contains(out, []byte("\n--- SKIP")) && !bytes.Contains(out, []byte("\n--- PASS")):
		return skipped, ": " + m.tests
	case err == nil:
		return survived, ": " + strings.TrimSpace(m.packages+" "+m.tests)
	case ctx.Err() != nil:
		return broken, ": interrupted"
	case bytes.Contains(out, []byte("[build failed]")), bytes.Contains(out, []byte("[setup failed]")):
		return broken, ": it does not compile:\n" + string(out)
	}
	if found := failedTest.FindSubmatch(out); found != nil {
		return killed, " (" + string(found[1]) + ")"
	}
	return killed, " (the tests crashed or timed out)"
}
