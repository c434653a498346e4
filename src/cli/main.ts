#!/usr/bin/env node
import { readFileSync } from "node:fs";

/** Of the package this file was built into. */
function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  return manifest instanceof Object && "version" in manifest ? String(manifest.version) : "unknown";
}

const first = process.argv[2];
if (first === "--version" || first === "-V") process.stdout.write(`${version()}\n`);
else {
  const { runCommandLine } = await import("./run.js");
  await runCommandLine(process.argv.slice(2), { version: version() });
}
