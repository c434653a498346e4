import { randomBytes } from "node:crypto";
import { appendFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { spackRoot } from "../support/fixtures.js";
import { run } from "../support/peers.js";
import { buildProgram } from "../support/program.js";
import { pushingMachine } from "../support/push.js";
import { startRegistry } from "../support/registry.js";

const mebibyte = 1024 * 1024;
const size = (process.env["STOWAGE_SOAK"] ? 5 * 1024 : 400) * mebibyte;

const machine = pushingMachine();
let program = "";
beforeAll(async () => {
  program = await buildProgram("push-child");
});
afterAll(() => {
  rmSync(program, { force: true });
  machine[Symbol.dispose]();
});

test(`a package with a file of ${size / mebibyte} MiB is pushed in less than 200 MB of memory`, async () => {
  await using registry = await startRegistry({ storage: "disk" });
  const prefix = machine.locate(`${spackRoot}/linux-x86_64/bzip2-1.0.8-5xfxwrgrx3v2jqtmavziwluq3o2wp6x4`);
  // Some that cannot be compressed, so that it is read, sent and stored at length, and a hole.
  const file = join(prefix, "share.dat");
  writeFileSync(file, "");
  for (let i = 0; i < 64; i += 1) appendFileSync(file, randomBytes(mebibyte));
  truncateSync(file, size);
  const options = {
    home: machine.home,
    store: spackRoot,
    sysroot: machine.locate("/"),
    specs: ["bzip2"],
    only: "package",
    jobs: 2,
    env: { HOME: machine.home, SPACK_USER_CONFIG_PATH: join(machine.home, "spack") },
  };
  const mirror = `oci+http://${registry.host}/cache`;
  const printed = await run(
    process.execPath,
    [program, mirror, JSON.stringify(options)],
    {},
    { timeout: 600_000 },
  );
  const { pushed, failed, memory } = JSON.parse(printed);
  expect(failed).toEqual([]);
  expect(pushed[0].size).toBeGreaterThan(64 * mebibyte);
  expect(memory).toBeLessThan(200e6);
}, 600_000);
