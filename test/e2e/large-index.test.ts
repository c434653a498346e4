import { rmSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestClient } from "../support/client.js";
import { scratchDirectory } from "../support/fixtures.js";
import { largeIndex, storeIndex } from "../support/large-index.js";
import { run } from "../support/peers.js";
import { buildProgram } from "../support/program.js";
import { startRegistry } from "../support/registry.js";

const count = process.env["STOWAGE_SOAK"] ? 20_000 : 2000;

let program = "";
beforeAll(async () => {
  program = await buildProgram("list-child");
});
afterAll(() => rmSync(program, { force: true }));

test(`${count} packages are listed in less than 300 MB of memory, the second time by one request`, async () => {
  using scratch = scratchDirectory();
  await using registry = await startRegistry();
  await using client = openTestClient(registry.url);
  await storeIndex(client.open("cache"), largeIndex(count));
  const listed = async () => {
    const before = registry.requests.length;
    const printed = await run(process.execPath, [program, `oci+http://${registry.host}/cache`, scratch.path]);
    const { packages, memory } = JSON.parse(printed);
    expect(packages).toBe(count);
    return { memory, asked: registry.requests.slice(before).map(({ method }) => method) };
  };
  await listed();
  const second = await listed();
  expect(second.asked).toEqual(["HEAD"]);
  expect(second.memory).toBeLessThan(300e6);
});
