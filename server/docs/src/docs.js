// Shows the contract of this server, and sends what is tried to this server: nothing is loaded from or sent to elsewhere.
Scalar.createApiReference("#reference", {
  url: new URL("../openapi.json", document.baseURI).href,
  servers: [{ url: new URL("../v1", document.baseURI).href, description: "This server" }],
  withDefaultFonts: false,
  telemetry: false,
  hideClientButton: true,
  showDeveloperTools: "never",
  agent: { disabled: true },
  mcp: { disabled: true },
});
