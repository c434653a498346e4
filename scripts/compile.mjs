// Compiles bundles beforehand, all their functions: V8 keeps the result as bytes, which it takes again where its
// version and its flags are the same.
import { readFileSync, writeFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { Script } from "node:vm";
import { v8Flags } from "./v8-flags.mjs";

const node = Number.parseInt(process.versions.node, 10);
for (const { flag, before } of v8Flags) if (node < before) setFlagsFromString(flag);
for (const bundle of process.argv.slice(2)) {
  const source = readFileSync(bundle, "latin1");
  if (/[^\0-\x7f]/.test(source))
    throw new Error(`${bundle} is not ASCII, and would be read as something else`);
  setFlagsFromString("--no-lazy");
  const script = new Script(source, { filename: bundle });
  setFlagsFromString("--lazy");
  writeFileSync(`${bundle}.cache`, script.createCachedData());
}
