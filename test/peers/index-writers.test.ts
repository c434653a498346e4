import { rmSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readIndex } from "../../src/buildcache/oci-cache.js";
import { openTestClient } from "../support/client.js";
import { missingProgram, run, startDockerRegistry } from "../support/peers.js";
import { buildProgram } from "../support/program.js";

const [processes, updates] = process.env["STOWAGE_SOAK"] ? [8, 50] : [3, 2];
const missing = missingProgram("docker-registry");

let program = "";
beforeAll(async () => {
  program = await buildProgram("index-writer");
});
afterAll(() => rmSync(program, { force: true }));

test.skipIf(missing !== undefined)(
  `${processes} processes that push and update ${updates} times each lose no package (docker-registry${missing === undefined ? "" : `: ${missing}`})`,
  async () => {
    await using registry = await startDockerRegistry();
    const url = `oci+http://${registry.host}/cache`;
    await Promise.all(
      Array.from({ length: processes }, (_, i) =>
        run(process.execPath, [program, url, `writer${i}`, String(updates)], {}, { timeout: 900_000 }),
      ),
    );
    await using client = openTestClient(`http://${registry.host}`);
    const stored = await readIndex(client.open("cache"));
    const names = [...(stored?.index.present ?? [])].map((hash) => stored?.index.nodes.get(hash)?.["name"]);
    expect(new Set(names).size).toBe(processes * updates);
  },
  900_000,
);
