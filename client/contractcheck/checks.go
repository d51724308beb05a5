package contractcheck

import (
	"net/http"
	"slices"
	"strings"
)

// Check is a rule that [Run] tries a server by.
type Check struct {
	// Name identifies the check in options and reports.
	Name string `json:"name"`
	// Proves is what a server that passes it does.
	Proves string `json:"proves"`
	// Source is where the rule is written: "contract", or the heading of a decision in api/decisions.md.
	Source string `json:"source"`
}

// check is a Check and how it runs. A check without run observes what other checks send.
type check struct {
	Check
	reads   bool     // it sends only reads
	fedBy   []string // the checks that send what it observes
	applies func(target) bool
	run     func(*probe) error
}

// The names of the checks that others refer to.
const (
	checkResponses   = "responses"
	checkExamples    = "examples"
	checkEnvelope    = "error-envelope"
	checkNoEffect    = "no-effect"
	checkRoundTrip   = "round-trip"
	checkIdempotency = "idempotency"
	checkDeletions   = "deletions"
	checkSecrets     = "secrets"
)

// refusing are the checks that send what has to be refused.
var refusing = []string{"authentication", "unknown-ids", "malformed-ids", "invalid-parameters", "invalid-bodies", "invalid-json", "content-type", "preconditions"}

// checks returns all checks in the order in which they run on an operation: what has to be refused first, then what
// succeeds, then what needs that to have succeeded.
func checks() []*check {
	return []*check{
		{Check{checkResponses, "Every response has a declared status, the declared headers and content type, and a body that is valid by its schema.", "contract"}, true, append([]string{"request-ids"}, refusing...), nil, nil},
		{Check{checkEnvelope, "Every error has the envelope, with the type of its status, the request id of the header, and the invalid field.", "Error envelope"}, true, refusing, nil, nil},
		{Check{checkNoEffect, "A refused request changes nothing.", "Request validation"}, false, refusing, nil, nil},
		{Check{checkSecrets, "What a request can set and no response declares is in no response.", "Vaults and credentials"}, true, nil, nil, nil},
		{Check{checkRoundTrip, "What was written is in the response, and is read again, alone and in the list.", "contract"}, false, nil, nil, nil},
		{Check{checkIdempotency, "A repeat with the same idempotency key gets the first response and does nothing twice; with another body it is a 409; the key of a refused request is free.", "Idempotency-Key"}, false, nil, nil, nil},
		{Check{checkDeletions, "What was deleted is not found, not listed, and cannot be deleted again.", "Delete"}, false, nil, nil, nil},

		{Check{"authentication", "A request with a missing or unknown token is a 401.", "Tokens"}, true, nil, func(t target) bool { return t.Secured }, (*probe).authentication},
		{Check{"unknown-ids", "An id that does not exist is a 404, in paths and in bodies, and so is one that belongs to another parent than that of the path.", "Identifiers"}, true, nil, func(t target) bool { return len(pathParameters(t.Path)) > 0 || len(t.needs) > 0 }, (*probe).unknownIDs},
		{Check{"malformed-ids", "An id in a path with the wrong form is a 400.", "Identifiers"}, true, nil, hasPathParameters, (*probe).malformedIDs},
		{Check{"invalid-parameters", "A query parameter or header that violates the contract is a 400.", "Request validation"}, true, nil, nil, (*probe).invalidParameters},
		{Check{"invalid-bodies", "A body that violates the contract in one way, for each way, is a 400.", "Request validation"}, false, nil, takesBody, (*probe).invalidBodies},
		{Check{"invalid-json", "A body that is not one JSON value without repeated names is a 400.", "Request validation"}, false, nil, takesBody, (*probe).invalidJSON},
		{Check{"content-type", "A body of another content type is a 400, an encoded one a 415.", "Encoded bodies"}, false, nil, takesBody, (*probe).contentTypes},
		{Check{"preconditions", "A change that is based on another state than the current one is a 409, or a 412.", "Agent versions"}, false, nil, nil, (*probe).preconditions},

		{Check{checkExamples, "The contract's examples of requests and parameters succeed.", "contract"}, true, nil, nil, (*probe).examples},

		{Check{"updates", "An update changes the fields that it names and no others; updated_at does not go back, a version grows by one.", "Metadata"}, false, nil, isUpdate, (*probe).updates},
		{Check{"texts", "Texts are returned as they were sent, with every character: markup, both forms of a letter, and those beyond U+FFFF.", "contract"}, false, nil, func(t target) bool { return takesBody(t) && (t.holds != "" || isUpdate(t)) }, (*probe).texts},
		{Check{"scopes", "The key of an environment opens nothing that belongs to the account.", "Tokens of workers"}, false, nil, func(t target) bool { return t.holds == "key_id" && t.Method == http.MethodPost }, (*probe).scopes},
		{Check{"extras", "Unknown query parameters and headers are ignored.", "Request validation"}, true, nil, isGet, (*probe).extras},
		{Check{"request-ids", "The caller's X-Request-Id is that of the response.", "Request id"}, true, nil, isGet, (*probe).requestIDs},
		{Check{"head", "HEAD has the status of GET.", "HEAD"}, true, nil, isGet, (*probe).head},
		{Check{"methods", "A method that a path does not have is a 405 with Allow, an unknown path a 404.", "Error types"}, false, nil, func(t target) bool { return t.first }, (*probe).methods},
		{Check{"paging", "Pages have every record once, also when others are created meanwhile; limits and cursors are those of the page.", "List envelope"}, true, nil, isList, (*probe).paging},
		{Check{"order", "Lists are in the requested order of creation.", "List envelope"}, true, nil, isList, (*probe).order},
		{Check{"filters", "A filter returns the records that match, all of them and no others, also after a cursor.", "contract"}, true, nil, isList, (*probe).filters},
		{Check{"archives", "What was archived is readable, leaves the default list, and cannot be changed.", "Archive"}, false, nil, func(t target) bool { return strings.HasSuffix(t.Path, "/archive") }, (*probe).archives},
		{Check{"repeats", "An action that is taken again leaves the record as it is, or is a 409 or a 412.", "Archive"}, false, nil, isAction, (*probe).repeats},
		{Check{"contents", "The content of a file is what was uploaded; ranges are parts of it.", "File contents"}, true, nil, func(t target) bool { return t.Bytes(http.StatusOK) }, (*probe).contents},
		{Check{"turns", "A turn begins with session.status_running and ends with exactly one session.status_idle; the session is idle then.", "Order of a turn"}, false, nil, isStream, (*probe).turn},
		{Check{"stream-history", "A stream without a cursor begins with the events that the list has.", "Event stream"}, true, nil, isStream, (*probe).history},
		{Check{"stream-resume", "A stream that was cut after any frame continues after it: no event is missing and none comes twice.", "Event stream"}, true, nil, isStream, (*probe).resume},
		{Check{"stream-increments", "Pieces of an event come only where they are requested, without ids, and joined are the event.", "Incremental output"}, false, nil, isStream, (*probe).increments},
	}
}

// Checks returns the checks, in the order in which they run.
func Checks() []Check {
	var all []Check
	for _, c := range checks() {
		all = append(all, c.Check)
	}
	return all
}

// checkNamed returns the check of that name, or nil.
func checkNamed(name string) *check {
	all := checks()
	if i := slices.IndexFunc(all, func(c *check) bool { return c.Name == name }); i >= 0 {
		return all[i]
	}
	return nil
}

func hasPathParameters(t target) bool { return len(pathParameters(t.Path)) > 0 }
func takesBody(t target) bool         { return t.TakesBody() && len(t.bodies) > 0 }
func isAction(t target) bool {
	return t.Method == http.MethodPost && !t.TakesBody() && !t.TakesForm()
}
func isGet(t target) bool    { return t.Method == http.MethodGet }
func isStream(t target) bool { return t.Stream(http.StatusOK) != nil }

// isList reports whether an operation returns pages of records.
func isList(t target) bool {
	page := t.Success()
	return isGet(t) && page != nil && page.Declares("data") && page.Declares("has_more") && slices.Contains(t.Parameters("query"), "limit")
}
