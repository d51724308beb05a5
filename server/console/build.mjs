// Builds the console: types from the contract, a check of the types, one script and one style sheet, compressed into dist.
//
//   node build.mjs          builds
//   node build.mjs --check  fails when dist is not what the sources build
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";
import { buildSync } from "esbuild";

const maxBytes = 300_000, maxCompressed = 100_000;
const here = new URL(".", import.meta.url).pathname;
const run = (program, ...args) => execFileSync(`${here}node_modules/.bin/${program}`, args, { cwd: here, stdio: ["ignore", "ignore", "inherit"] });

run("openapi-typescript", "../../api/openapi.yaml", "--default-non-nullable", "false", "-o", "src/contract.gen.ts");
try {
  execFileSync(`${here}node_modules/.bin/tsc`, { cwd: here, stdio: "inherit" });
} catch {
  process.exit(1);
}
const built = buildSync({
  absWorkingDir: here,
  entryPoints: ["src/app.tsx", "src/app.css"],
  outdir: "dist",
  bundle: true,
  minify: true,
  format: "esm",
  target: ["chrome123", "firefox120", "safari17.5"],
  legalComments: "none",
  write: false,
});
const files = new Map(built.outputFiles.map((f) => [f.path.split("/").pop(), Buffer.from(f.contents)]));
for (const name of ["index.html", "icon.svg"]) files.set(name, readFileSync(`${here}src/${name}`));
const { dependencies } = JSON.parse(readFileSync(`${here}package.json`, "utf8"));
const license = (name) => `${name}\n\n${readFileSync(`${here}node_modules/${name}/LICENSE`, "utf8")}`;
files.set("licenses.txt", Buffer.from(Object.keys(dependencies).map(license).join("\n\n")));

const compressed = new Map([...files].map(([name, content]) => [`${name}.gz`, gzipSync(content, { level: 9 })]));
const total = (map) => [...map.values()].reduce((sum, content) => sum + content.length, 0);
console.log(`console: ${total(files)} bytes, ${total(compressed)} compressed`);
if (total(files) > maxBytes || total(compressed) > maxCompressed) {
  console.error(`console: at most ${maxBytes} bytes, ${maxCompressed} compressed`);
  process.exit(1);
}

const dist = `${here}dist`;
mkdirSync(dist, { recursive: true });
if (process.argv.includes("--check")) {
  // Contents are compared and not compressed bytes, which depend on the version of zlib.
  const stale = readdirSync(dist).filter((name) => !compressed.has(name));
  for (const [name, content] of files) {
    let found;
    try {
      found = gunzipSync(readFileSync(`${dist}/${name}.gz`));
    } catch { /* missing or broken */ }
    if (!found?.equals(content)) stale.push(name);
  }
  if (stale.length > 0) {
    console.error(`console: dist is stale: ${stale.join(", ")}. Run 'make console' and commit the result.`);
    process.exit(1);
  }
} else {
  rmSync(dist, { recursive: true });
  mkdirSync(dist);
  for (const [name, content] of compressed) writeFileSync(`${dist}/${name}`, content);
}
