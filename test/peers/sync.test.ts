import { cpSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { install, list, sync } from "../../src/index.js";
import { hasShared, scratchDirectory, shared } from "../support/fixtures.js";
import { startS3 } from "../support/s3.js";
import { startRegistry } from "../support/registry.js";

function machine() {
  const scratch = scratchDirectory();
  const home = join(scratch.path, "home");
  const account = { bucket: "cache", accessKeyId: "AKID", secretAccessKey: "secret" };
  const env = {
    SPACK_USER_CONFIG_PATH: join(home, "spack"),
    SPACK_SYSTEM_CONFIG_PATH: join(home, "system"),
    AWS_ACCESS_KEY_ID: account.accessKeyId,
    AWS_SECRET_ACCESS_KEY: account.secretAccessKey,
  };
  return {
    path: scratch.path,
    account,
    options: { home, env, jobs: 2, unsigned: true, updateIndex: true },
    [Symbol.dispose]: () => scratch[Symbol.dispose](),
  };
}

const mirrors = ["mirror-v3-unsigned", "mirror-v3-signed", "mirror-v2-023", "mirror-v2-021"];

describe.skipIf(!hasShared)("mirrors that Spack wrote, copied", () => {
  test.each(mirrors)(
    "%s goes into a registry, out into a bucket and into a directory, the same",
    async (name) => {
      using here = machine();
      await using registry = await startRegistry();
      await using s3 = await startS3({ ...here.account, pageSize: 3 });
      const options = { ...here.options, env: { ...here.options.env, S3_ENDPOINT_URL: s3.endpoint } };
      const places = [
        join(shared, name),
        `oci+http://${registry.host}/cache`,
        "s3://cache/all",
        join(here.path, "back"),
      ];
      const layers: Record<string, string>[] = [];
      for (const [i, to] of places.entries()) {
        const from = places[i - 1];
        if (from === undefined) continue;
        const planned = await sync(from, to, { ...options, dryRun: true });
        const { copied, failed, bytes, index } = await sync(from, to, options);
        expect(failed).toEqual([]);
        expect(index?.packages).toBe(copied.length);
        expect([planned.bytes, planned.copied.length]).toEqual([bytes, copied.length]);
        layers.push(Object.fromEntries(copied.map(({ hash, layer }) => [hash, layer]).sort()));
        const again = await sync(from, to, options);
        expect(again).toMatchObject({ copied: [], bytes: 0, index: { written: false } });
        expect(again.present.length).toBe(copied.length);
      }
      expect(layers[1]).toEqual(layers[0]);
      expect(layers[2]).toEqual(layers[0]);
      const hashes = async (mirror: string) =>
        (await list({ ...options, mirror })).packages.map(({ spec }) => [spec.name, spec.hash]).sort();
      for (const place of places.slice(1)) expect(await hashes(place)).toEqual(await hashes(places[0] ?? ""));
      for (const [i, mirror] of places.entries()) {
        const { failed, run } = await install(["greet"], {
          ...options,
          mirror,
          store: join(here.path, `store-${i}`),
          hostCompatible: false,
          checkSignature: false,
        });
        expect(failed).toEqual([]);
        expect(run?.installed.length).toBe(Object.keys(layers[0] ?? {}).length);
      }
    },
  );

  test("between mirrors of layout 3 a signature comes along, manifests byte for byte", async () => {
    using here = machine();
    const from = join(shared, "mirror-v3-signed");
    const to = join(here.path, "copy");
    await sync(from, to, { ...here.options, unsigned: false });
    const manifests = "v3/manifests/spec";
    const files = (root: string) =>
      readdirSync(join(root, manifests), { recursive: true, encoding: "utf8" }).sort();
    expect(files(to)).toEqual(files(from));
  });

  test("between registries images come along, whatever they are made of", async () => {
    using here = machine();
    await using registry = await startRegistry();
    const layout = join(here.path, "layout");
    cpSync(join(shared, "oci/images"), layout, { recursive: true });
    const [a, b] = [`oci+http://${registry.host}/a`, `oci+http://${registry.host}/b`];
    const first = await sync(`oci-layout:${layout}`, a, here.options);
    expect(first.failed).toEqual([]);
    const second = await sync(a, b, here.options);
    expect(second.copied.length).toBe(first.copied.length);
    const third = await sync(b, join(here.path, "files"), here.options);
    expect(third.failed).toEqual([]);
    expect(third.copied.map(({ layer }) => layer).sort()).toEqual(
      first.copied.map(({ layer }) => layer).sort(),
    );
  });

  test("only what is named is copied, with what it needs", async () => {
    using here = machine();
    const to = join(here.path, "copy");
    const { copied } = await sync(join(shared, "mirror-v3-unsigned"), to, {
      ...here.options,
      specs: ["libgreet"],
    });
    expect(copied.map(({ name }) => name).sort()).toEqual(["gcc-runtime", "greet-data", "libgreet", "zlib"]);
  });

  test("a tarball that is damaged at its source is not copied, and named", async () => {
    using here = machine();
    const from = join(here.path, "from");
    cpSync(join(shared, "mirror-v3-unsigned"), from, { recursive: true });
    const zlib = "blobs/sha256/38/385ee9a8742dcf587ef45a0dad40ba3730593d2e37e7dcbe5b2f43c3fe8949e9";
    cpSync(join(from, "v3/layout.json"), join(from, zlib));
    await using registry = await startRegistry();
    for (const to of [join(here.path, "to"), `oci+http://${registry.host}/cache`]) {
      const { failed, copied } = await sync(from, to, here.options);
      expect(failed.find(({ name }) => name === "zlib")).toMatchObject({ failure: { kind: "corrupt" } });
      expect(copied.map(({ name }) => name)).toContain("greet-data");
    }
  });
});
