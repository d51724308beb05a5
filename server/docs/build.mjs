// Compresses the reference's files into dist, and Scalar, the viewer, from its npm package: node build.mjs
//
// To update Scalar, change the version, run it, and copy the hash that it prints to docs_test.go.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const scalar = "@scalar/api-reference@1.76.0";
const here = new URL(".", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "scalar-"));
try {
  execFileSync("npm", ["pack", scalar, "--silent", "--pack-destination", folder], { stdio: ["ignore", "ignore", "inherit"] });
  execFileSync("tar", ["-xzf", join(folder, readdirSync(folder).find((name) => name.endsWith(".tgz"))), "-C", folder]);
  const files = new Map(readdirSync(`${here}src`).map((name) => [name, readFileSync(`${here}src/${name}`)]));
  const viewer = readFileSync(join(folder, "package/dist/browser/standalone.js"), "utf8").replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n");
  files.set("scalar.js", Buffer.from(viewer));
  rmSync(`${here}dist`, { recursive: true, force: true });
  mkdirSync(`${here}dist`);
  for (const [name, content] of files) writeFileSync(`${here}dist/${name}.gz`, gzipSync(content, { level: 9 }));
  console.log(`docs: ${scalar}, SHA-256 ${createHash("sha256").update(viewer).digest("hex")}`);
} finally {
  rmSync(folder, { recursive: true });
}
