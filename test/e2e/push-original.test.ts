import { appendFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { install } from "../../src/app/install.js";
import { push } from "../../src/app/push.js";
import { pushingMachine } from "../support/push.js";
import { startRegistry, type TestRegistry } from "../support/registry.js";

const machine = pushingMachine();
let registry: TestRegistry;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(async () => {
  await registry.close();
  machine[Symbol.dispose]();
});

const mirrorOf = (name: string): string => `oci+http://${registry.host}/${name}`;
// Shorter than where the packages come from, so that none needs an alias.
const store = join(machine.path, "s");
const env = { SPACK_USER_CONFIG_PATH: machine.home, SPACK_SYSTEM_CONFIG_PATH: machine.home };
const here = { home: machine.home, env, store, jobs: 2 };

/** Pushes greet and what it needs from the store here; tells the layers by package, and what was packed. */
async function pushFrom(name: string, force = false) {
  const packed = new Set<string>();
  const { pushed, failed } = await push(mirrorOf(name), {
    ...here,
    specs: ["greet"],
    force,
    report: (event) => void (event.type === "advanced" && packed.add(event.task.subject)),
  });
  expect(failed).toEqual([]);
  return { layers: new Map(pushed.map((one) => [one.name, one.layer])), packed: packed.size };
}

async function installFrom(name: string) {
  rmSync(store, { recursive: true, force: true });
  const { failed, run } = await install(["greet"], {
    ...here,
    mirror: mirrorOf(name),
    hostCompatible: false,
  });
  expect(failed).toEqual([]);
  return run?.installed.map(({ prefix }) => prefix) ?? [];
}

test("a package that is installed where it was built is pushed by the layer that it came in, until it is changed", async () => {
  await machine.push(mirrorOf("built"), { specs: ["greet"], updateIndex: true });
  await installFrom("built");
  // It was moved here: what is pushed is another layer, made here.
  const moved = await push(mirrorOf("moved"), { ...here, specs: ["greet"], updateIndex: true });
  const layers = new Map(moved.pushed.map((one) => [one.name, one.layer]));
  expect(layers.size).toBe(6);

  const prefixes = await installFrom("moved");
  expect(await pushFrom("original")).toEqual({ layers, packed: 0 });
  expect((await pushFrom("original", true)).packed).toBe(6);

  const zlib = prefixes.find((prefix) => prefix.includes("/zlib-")) ?? "";
  appendFileSync(join(zlib, "include/zlib.h"), "/* changed */\n");
  const changed = await pushFrom("changed");
  expect(changed.packed).toBe(1);
  expect([...changed.layers].filter(([name, layer]) => layers.get(name) !== layer)).toEqual([
    ["zlib", expect.stringMatching(/^sha256:/)],
  ]);
});
