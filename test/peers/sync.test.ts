import { cpSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  checkIndex,
  checkMirrors,
  download,
  install,
  list,
  migrate,
  saveSpecFiles,
  sync,
} from "../../src/index.js";
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
    options: { home, env, jobs: 2, unsigned: true, checkSignature: false, updateIndex: true },
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
    // No key is at hand, and none is needed: who reads the copy can check it as they would check the source.
    const { failed } = await sync(from, to, { ...here.options, unsigned: false });
    expect(failed).toEqual([]);
    const manifests = (root: string) =>
      readdirSync(join(root, "v3/manifests/spec"), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map(({ parentPath, name }) => [name, readFileSync(join(parentPath, name), "utf8")])
        .sort();
    expect(manifests(to)).toEqual(manifests(from));
  });

  test("a mirror of layout 2 is migrated beside itself, once", async () => {
    using here = machine();
    const mirror = join(here.path, "mirror");
    cpSync(join(shared, "mirror-v2-023"), mirror, { recursive: true });
    const { copied, failed } = await migrate(mirror, here.options);
    expect(failed).toEqual([]);
    expect(copied.length).toBe(6);
    expect(await migrate(mirror, here.options)).toMatchObject({ copied: [], failed: [] });
    rmSync(join(mirror, "build_cache"), { recursive: true });
    const options = { ...here.options, mirror, store: join(here.path, "store"), hostCompatible: false };
    expect((await install(["greet"], options)).run?.installed.length).toBe(6);
    await expect(migrate(mirror, here.options)).rejects.toMatchObject({ code: "mirror.not-old" });
  });

  test("checkMirrors() tells what of an environment a mirror lacks, and what is not whole there", async () => {
    using here = machine();
    const store = join(here.path, "store");
    const from = join(shared, "mirror-v3-unsigned");
    const options = { ...here.options, store, hostCompatible: false };
    await install(["greet"], { ...options, mirror: from });
    const to = join(here.path, "copy");
    const { copied } = await sync(from, to, { ...here.options, specs: ["libgreet"] });
    const all = await checkMirrors(["greet", "zlib"], { ...options, mirror: from });
    expect(all).toMatchObject({ packages: 2, mirrors: [{ missing: [] }] });
    const zlib = copied.find(({ name }) => name === "zlib")?.layer.slice("sha256:".length) ?? "";
    rmSync(join(to, "blobs/sha256", zlib.slice(0, 2), zlib));
    const outputFile = join(here.path, "rebuild.json");
    const some = await checkMirrors(["greet", "zlib", "libgreet"], { ...options, mirror: to, outputFile });
    expect(some.mirrors[0]?.missing.map(({ name }) => name).sort()).toEqual(["greet", "zlib"]);
    const written = JSON.parse(readFileSync(outputFile, "utf8"));
    expect(written[`file://${to}`].rebuildSpecs).toHaveLength(2);
  });

  test.each(mirrors)("download() and saveSpecFiles() write what %s has of a package", async (name) => {
    using here = machine();
    const options = { ...here.options, mirror: join(shared, name) };
    const { files, hash } = await download("zlib", join(here.path, "files"), options);
    expect(files.map((file) => file.replace(/^.*\/zlib-1.2.13-/, ""))).toEqual([
      `${hash}.tar.gz`,
      `${hash}.spec.json`,
    ]);
    const spec = JSON.parse(readFileSync(files[1] ?? "", "utf8"));
    expect(spec.spec.nodes[0].hash).toBe(hash);
    const saved = await saveSpecFiles("greet", join(here.path, "specs"), {
      ...options,
      specs: ["zlib bzip2"],
    });
    expect(saved.files.map((file) => file.replace(/^.*\//, "")).sort()).toEqual(["bzip2.json", "zlib.json"]);
  });

  test("checkIndex() tells what the index lacks, and what is broken", async () => {
    using here = machine();
    const mirror = join(here.path, "mirror");
    cpSync(join(shared, "mirror-v3-unsigned"), mirror, { recursive: true });
    const right = { exists: true, missing: [], unindexed: [], broken: [] };
    expect(await checkIndex(mirror, { ...here.options, blobs: true })).toMatchObject(right);
    rmSync(join(mirror, "v3/manifests/spec/zlib"), { recursive: true });
    rmSync(join(mirror, "blobs/sha256/32"), { recursive: true });
    const found = await checkIndex(mirror, { ...here.options, blobs: true });
    expect(found.missing).toEqual(["7i7xbvpxpadyo4mhvbnuvmj7zam5ay4z"]);
    expect(found.broken?.length).toBe(1);
  });

  test("what must be signed and is not, is not copied", async () => {
    using here = machine();
    const from = join(shared, "mirror-v2-023");
    const { copied, failed } = await sync(from, join(here.path, "copy"), {
      ...here.options,
      checkSignature: true,
    });
    expect(copied).toEqual([]);
    expect(failed.length).toBe(6);
    expect(failed[0]?.failure.code).toBe("gpg.signature-missing");
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
