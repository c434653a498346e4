import { readFileSync } from "node:fs";

/** Of the package this file was built into. */
function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  return manifest instanceof Object && "version" in manifest ? String(manifest.version) : "unknown";
}

async function main(): Promise<void> {
  const first = process.argv[2];
  if (first === "--version" || first === "-V") {
    process.stdout.write(`${version()}\n`);
    return;
  }
  const { runCommandLine } = await import("./run.js");
  await runCommandLine(process.argv.slice(2), { version: version() });
}

// The bundle is no ES module, so it cannot await: V8 keeps compiled code of scripts only.
void main();
