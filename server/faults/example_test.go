package faults_test

import (
	"fmt"
	"log"
	"time"

	"github.com/cloud-sessions/sessions/server/faults"
)

// A gateway rejects the first two messages, and every third stream breaks off.
func ExampleNewPlan() {
	plan, err := faults.NewPlan(0,
		faults.Rule{Operations: []string{"sendEvents"}, First: 2, Answer: &faults.Answer{Status: 503, RetryAfter: time.Second}},
		faults.Rule{Operations: []string{"streamEvents"}, Every: 3, Cut: &faults.Cut{Events: 4}},
	)
	if err != nil {
		log.Fatal(err)
	}
	injector := &faults.Injector{} // for server.Config.Faults
	injector.Use(plan)
	for range 3 {
		if fault := injector.Next("sendEvents"); !fault.None() {
			fmt.Println(fault.Kind())
		}
	}
	// Output:
	// answer_503
	// answer_503
}

// An error in a file names its place, and what is allowed there.
func ExampleParsePlan() {
	_, err := faults.ParsePlan("faults.yaml", []byte(`
rules:
  - operations: sendEvents
    drop: sometimes
`))
	fmt.Println(err)
	// Output: faults.yaml:4:11: drop must be before or after, not "sometimes"
}
