package faults_test

import (
	"fmt"
	"log"
	"time"

	"github.com/cloud-sessions/sessions/server/faults"
)

// The first two messages are answered by a gateway that has no time for them, and every third stream breaks off.
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

// An error of a file says where it is, and what is allowed.
func ExampleParsePlan() {
	_, err := faults.ParsePlan("faults.yaml", []byte(`
rules:
  - operations: sendEvents
    drop: sometimes
`))
	fmt.Println(err)
	// Output: faults.yaml:4:11: drop must be before or after, not "sometimes"
}
