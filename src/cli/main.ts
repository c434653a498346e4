import { readFileSync } from "node:fs";

/** Of the package this file was built into. */
function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  return manifest instanceof Object && "version" in manifest ? String(manifest.version) : "unknown";
}

async function main(): Promise<void> {
  const words = process.argv.slice(2);
  const asked = words.filter((word) => word === "--version" || word === "-V");
  const json = words.includes("--json");
  if (asked.length > 0 && words.length === asked.length + (json ? 1 : 0)) {
    const text = json ? JSON.stringify({ schema: "stowage.version/1", version: version() }) : version();
    process.stdout.write(`${text}\n`);
    return;
  }
  const { runCommandLine } = await import("./run.js");
  await runCommandLine(words, { version: version() });
}

// The bundle is no ES module, so it cannot await: V8 keeps compiled code of scripts only.
void main();
