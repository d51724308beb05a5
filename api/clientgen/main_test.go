package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// contract is a small contract: two resources, the second of which needs the first, with what they hold.
const contract = `
paths:
  /pets:
    post:
      operationId: createPet
      description: Creates a pet.
      requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/CreatePetRequest'}, examples: {b: {value: {owner: own_1}}, a: {value: {owner: own_2}}}}}}
      responses: {'201': {content: {application/json: {schema: {$ref: '#/components/schemas/Pet'}}}}, '404': {}}
    get:
      operationId: listPets
      description: Lists pets.
      parameters: [{name: 'kinds[]', in: query, schema: {type: array, items: {type: string}, maxItems: 3}, example: [cat]}, {name: 'born_at[gt]', in: query, schema: {format: date-time}}, {name: 'born_at[gte]', in: query, schema: {format: date-time}},
        {name: limit, in: query, schema: {type: integer, default: 5, maximum: 50}}]
      responses: {'200': {content: {application/json: {schema: {$ref: '#/components/schemas/PetList'}}}}}
  /pets/{pet_id}:
    parameters: [{$ref: '#/components/parameters/PetID'}]
    put: {operationId: putPet, responses: {}}
    delete: {operationId: deletePet, responses: {'200': {content: {application/json: {schema: {$ref: '#/components/schemas/Pet'}}}}}}
  /pets/{pet_id}/archive:
    parameters: [{$ref: '#/components/parameters/PetID'}]
    post: {operationId: archivePet, responses: {'200': {content: {application/json: {schema: {$ref: '#/components/schemas/Pet'}}}}}}
  /pets/{pet_id}/weights:
    get: {operationId: listPetWeights, responses: {'200': {content: {application/json: {schema: {$ref: '#/components/schemas/PetList'}}}}}}
  /pets/{pet_id}/visits:
    post: {operationId: addVisits, x-go-handwritten: true, responses: {'200': {content: {application/json: {schema: {$ref: '#/components/schemas/Pet'}}}}}}
    get: {operationId: listVisits, responses: {'200': {content: {application/json: {schema: {$ref: '#/components/schemas/PetList'}}}}}}
  /owners:
    post: {operationId: createOwner, responses: {'201': {content: {application/json: {schema: {$ref: '#/components/schemas/Pet'}}}}}}
  /owners/{owner_id}:
    delete: {operationId: deleteOwner, responses: {'200': {content: {application/json: {schema: {$ref: '#/components/schemas/Pet'}}}}}}
components:
  parameters:
    PetID: {name: pet_id, in: path, schema: {$ref: '#/components/schemas/PetID'}, example: pet_1}
    OwnerID: {name: owner_id, in: path, schema: {$ref: '#/components/schemas/OwnerID'}, example: own_1}
  schemas:
    PetID: {type: string, description: Identifier of a pet.}
    OwnerID: {type: string, description: Identifier of an owner.}
    Kind: {type: string, enum: [cat, kind_of_dog]}
    Sound: {type: string, enum: [Purr, purr], x-enum-varnames: [Purr, LowerPurr]}
    Pet: {type: object, properties: {id: {$ref: '#/components/schemas/PetID'}, kind: {$ref: '#/components/schemas/Kind'}, sound: {$ref: '#/components/schemas/Sound'}}}
    PetList: {type: object, properties: {data: {type: array, items: {$ref: '#/components/schemas/Pet'}}, next_page: {type: string}}}
    CreatePetRequest:
      type: object
      required: [owner, kind]
      properties: {owner: {oneOf: [{$ref: '#/components/schemas/OwnerID'}, {type: object}]}, name: {type: string, minLength: 1, maxLength: 9, example: Tom}, kind: {type: string, example: a cat}, toy_ids: {type: array, items: {type: string}}, home: {oneOf: [
        {type: object, properties: {type: {type: string, enum: [flat]}, floor: {type: integer}}},
        {type: object, properties: {type: {type: string, enum: [house]}, yard: {type: object, properties: {wide: {type: boolean}, type: {enum: [yard]}}}}}]}}
`

func read(t *testing.T) *document {
	t.Helper()
	doc, err := parse([]byte(contract))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// Names and places of methods follow from the operations.
func TestServices(t *testing.T) {
	var got []string
	for _, m := range read(t).methods() {
		line := m.Service.Type() + " " + m.Op() + "(" + m.Request + m.Params + ") " + m.Result + " " + m.All
		if m.Handwritten {
			line += " by hand"
		}
		got = append(got, strings.TrimSpace(line))
	}
	want := []string{
		"PetService Pets.Create(CreatePetRequest) Pet", "PetService Pets.List(ListPetsParams) Pet All", "PetService Pets.Delete() Pet",
		"PetService Pets.Archive() Pet", "PetService Pets.ListWeights() Pet AllWeights",
		"VisitService Pets.Visits.Add() Pet  by hand", "VisitService Pets.Visits.List() Pet All",
		"OwnerService Owners.Create() Pet", "OwnerService Owners.Delete() Pet",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A conformance run creates what another creation needs first, and ends it last.
func TestPlan(t *testing.T) {
	p := read(t).plan()
	var got []string
	for _, s := range p.Steps {
		got = append(got, s.ID)
	}
	want := []string{"createOwner", "createPet", "putPet", "listPets", "listPetWeights", "addVisits", "listVisits", "archivePet", "deletePet", "deleteOwner"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	create := p.Steps[1]
	if !slices.Equal(create.Needs, []string{"owner_id"}) || create.Holds != "pet_id" || !slices.Equal(create.Bodies, []string{`{"owner":"own_2"}`, `{"owner":"own_1"}`}) {
		t.Errorf("%+v", create)
	}
}

// Callers get names for what methods accept and return, and for nothing else.
func TestClientTypes(t *testing.T) {
	doc := read(t)
	doc.Components.Schemas.values["IdempotencyKey"] = &schema{}
	doc.Components.Schemas.values["ErrorDetail"] = &schema{}
	types := doc.clientTypes()
	var got []string
	for _, a := range slices.Concat(types.Aliases, types.Params) {
		got = append(got, a.Name)
	}
	if want := []string{"PetID", "OwnerID", "Kind", "Sound", "Pet", "CreatePetRequest", "ListPetsParams"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if len(types.Enums) != 2 || types.Enums[1].Values[1].Name != "SoundLowerPurr" || types.Enums[0].Values[1].Name != "KindKindOfDog" || types.Enums[0].Values[1].Value != "types.KindKindOfDog" {
		t.Errorf("%+v", types.Enums)
	}
}

// A command has the path parameters as arguments, and a flag for every parameter and field that fits on a command line.
func TestCommands(t *testing.T) {
	c := read(t).commands()
	var got []string
	for _, g := range c.Groups {
		for _, c := range g.Commands {
			line := c.Example() + " | " + c.Use() + " |"
			for _, f := range c.Flags {
				line += fmt.Sprintf(" %s=%s %s,", f.Name, f.Param, f.Kind)
			}
			got = append(got, strings.TrimSpace(line))
		}
	}
	want := []string{
		"sessions pets create --kind 'a cat' | create | owner=owner textFlag, name=name textFlag, kind=kind textFlag, toy=toy_ids listFlag, type=home.type textFlag, floor=home.floor numberFlag, wide=home.yard.wide booleanFlag,",
		"sessions pets list | list | kinds=kinds[] wordsFlag, born-after=born_at[gte] timeFlag,",
		"sessions pets delete pet_1 | delete PET |", "sessions pets archive pet_1 | archive PET |", "sessions pets weights | weights |",
		"sessions visits list | list |", "sessions owners create | create |", "sessions owners delete | delete |",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if c.DefaultLimit != 5 || c.LargestPage != 50 {
		t.Errorf("pages of %v, at most %d", c.DefaultLimit, c.LargestPage)
	}
}

func TestTextsOfCommands(t *testing.T) {
	c := command{
		&method{operation: &operation{Description: "Returns pets (宠物), oldest unless `order` is `desc`. Gated (M3 门控). A lost pet is a 409.", Summary: "Get pets"}},
		[]flag{{Param: "order", Name: "sorted"}},
	}
	if got := c.Long(); got != "Shows pets, oldest unless --sorted is desc. A lost pet is a conflict." {
		t.Error(got)
	}
	c.Description = "Counts pets.\n\nEach once."
	if got := c.Long(); got != "Counts pets.\n\nEach once." {
		t.Errorf("%q", got)
	}
	for want, value := range map[string]any{"": true, "7": 7, "own_1": "own_1", "'a cat'": "a cat", `'it'\''s'`: "it's"} {
		if got := shellWord(value); got != want {
			t.Errorf("%v: got %s, want %s", value, got, want)
		}
	}
	for description, want := range map[string]string{
		"Returns only pets\n  of this `kind`. An unknown one is a 404.": "list only pets of this kind",
		"Name (名称); it need not be unique.":                             "name; it need not be unique",
		"MCP servers.":                                                  "MCP servers",
	} {
		if got := usage(description); got != want {
			t.Errorf("%s: %s", description, got)
		}
	}
}

func TestComment(t *testing.T) {
	doc := read(t)
	for _, tc := range []struct{ got, want string }{
		{comment("\t", "Text.\n\n- one: 1\n- two: 2"), "\t// Text.\n\t//\n\t//   - one: 1\n\t//   - two: 2"},
		{comment("", strings.Repeat("word ", 30)), "// " + strings.TrimSpace(strings.Repeat("word ", 23)) + "\n// " + strings.TrimSpace(strings.Repeat("word ", 7))},
		{doc.boundsDoc(doc.named("CreatePetRequest")), "\n\n- Name: 1 to 9 characters"},
		{doc.methods()[0].Doc(), "Create creates a pet.\n\nIts errors include [ErrNotFound].\n\nOperation createPet: POST /pets."},
		{camel("mcp_server_ids"), "MCPServerIDs"},
		{constant("EventType", "event_start"), "EventTypeStart"},
		{constant("EventType", "user.message"), "EventTypeUserMessage"},
		{list([]string{"A", "B", "C"}, "or"), "A, B or C"},
		{quote("a`b"), "\"a`b\""},
	} {
		if tc.got != tc.want {
			t.Errorf("got\n%s\nwant\n%s", tc.got, tc.want)
		}
	}
}

func TestParseFails(t *testing.T) {
	for _, bad := range []string{"paths: [", "paths: []", "paths: {/a: []}"} {
		if _, err := parse([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
