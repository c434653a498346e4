import { join } from "node:path";
import { expect, test } from "vitest";
import { sync } from "../../src/app/sync.js";
import { pushingMachine } from "../support/push.js";
import { startRegistry } from "../support/registry.js";

test("a package that is listed and cannot be had is told by name, and the others are copied", async () => {
  using machine = pushingMachine();
  let removed = false;
  await using registry = await startRegistry({
    wrap: (handler) => (request) =>
      handler(
        removed ? { ...request, path: request.path.replace("manifests/zlib-", "manifests/none-") } : request,
      ),
  });
  const mirror = `oci+http://${registry.host}/cache`;
  await machine.push(mirror, { specs: ["greet"] });
  removed = true;
  const env = { SPACK_USER_CONFIG_PATH: machine.home, SPACK_SYSTEM_CONFIG_PATH: machine.home };
  const options = { home: machine.home, env, unsigned: true };
  const { copied, failed } = await sync(mirror, join(machine.path, "copy"), options);
  expect(failed).toMatchObject([
    { name: "zlib", version: "1.2.13", failure: { code: "buildcache.package-vanished" } },
  ]);
  expect(copied).toHaveLength(5);
});
