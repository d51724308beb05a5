// Shows the contract of this server, and sends what is tried to this server: nothing is loaded from or sent to elsewhere.

// The viewer would send the examples of optional parameters, such as a cursor of a session of somebody else. So they are
// left out; those of required parameters show what to fill in.
function withoutOptionalExamples(contract) {
  const schemas = contract.components.schemas;
  const lists = Object.values(contract.paths).flatMap((path) => Object.values(path).map((operation) => operation.parameters ?? operation));
  for (const parameter of [Object.values(contract.components.parameters), ...lists].flat()) {
    if (!parameter?.schema || parameter.required) continue;
    delete parameter.example;
    const { example, ...schema } = schemas[parameter.schema.$ref?.split("/").pop()] ?? parameter.schema;
    parameter.schema = schema;
  }
  return contract;
}

const response = await fetch(new URL("../openapi.json", document.baseURI));
Scalar.createApiReference("#reference", {
  content: withoutOptionalExamples(await response.json()),
  servers: [{ url: new URL("../v1", document.baseURI).href, description: "This server" }],
  withDefaultFonts: false,
  telemetry: false,
  hideClientButton: true,
  showDeveloperTools: "never",
  agent: { disabled: true },
  mcp: { disabled: true },
});
