package contractcheck_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/client/contractcheck"
	"github.com/cloud-sessions/sessions/server"
)

// upstream is a server with a field that the contract does not have.
func upstream() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Request-Id", "req_1")
		_, _ = io.WriteString(w, `{"data":[],"has_more":false,"total":0}`)
	}))
}

func ExampleReport() {
	web := upstream()
	defer web.Close()
	c, err := client.New(
		client.WithBaseURL(web.URL), client.WithToken("pt-example"),
		contractcheck.Report(func(b *contractcheck.Violation) { fmt.Println(b) }),
	)
	if err != nil {
		log.Fatal(err)
	}
	models, err := c.Models.List(context.Background())
	fmt.Println(len(models.Data), err)
	// Output:
	// listModels: the response (200) violates the contract: additionalProperties at '/total': unknown property (request id req_1)
	// 0 <nil>
}

func ExampleStrict() {
	web := upstream()
	defer web.Close()
	c, err := client.New(client.WithBaseURL(web.URL), client.WithToken("pt-example"), contractcheck.Strict())
	if err != nil {
		log.Fatal(err)
	}
	_, err = c.Models.List(context.Background())
	if violation, ok := errors.AsType[*contractcheck.Violation](err); ok {
		fmt.Println(violation.Operation, violation.Rule, violation.Pointer)
	}
	// Output: listModels additionalProperties /total
}

func ExampleRun() {
	ctx := context.Background()
	s, err := server.New(ctx, server.Config{Demo: true})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	web := httptest.NewServer(s)
	defer web.Close()
	c, err := client.New(client.WithBaseURL(web.URL+"/v1"), client.WithToken(s.Demo().Token))
	if err != nil {
		log.Fatal(err)
	}
	report, err := contractcheck.Run(ctx, c, contractcheck.Options{Only: []string{"listModels", "createAgent", "authentication", "idempotency"}})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range report.Operations {
		fmt.Println(r.Operation, r.Verdict)
	}
	for _, v := range report.Violations() {
		fmt.Println(v)
	}
	fmt.Printf("%d %%, %d left\n", report.Score.Percent, len(report.Left))
	// Output:
	// listModels conforms
	// createAgent conforms
	// 100 %, 0 left
}
