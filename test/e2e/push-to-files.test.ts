import { existsSync, readdirSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { install, list } from "../../src/index.js";
import { startS3 } from "../support/s3.js";
import { pushingMachine } from "../support/push.js";

const unsigned = { unsigned: true, updateIndex: true };

const filesBelow = (root: string): string[] =>
  readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort();

test("what push() writes to a directory is listed and installed from there, and not pushed again", async () => {
  using machine = pushingMachine();
  const mirror = join(machine.path, "mirror");
  const first = await machine.push(mirror, { ...unsigned, specs: ["greet"] });
  expect(first).toMatchObject({ failed: [], present: [], index: { packages: 6, written: true } });
  expect(first.pushed.length).toBe(6);
  const files = filesBelow(mirror);
  // Tarball, metadata and manifest of each; index, its manifest, and the layout.
  expect(files.length).toBe(6 * 3 + 2 + 1);
  expect(readFileSync(join(mirror, "v3/layout.json"), "utf8")).toBe('{"signing": "gpg"}');

  const again = await machine.push(mirror, { ...unsigned, specs: ["greet"] });
  expect(again).toMatchObject({ failed: [], pushed: [], index: { packages: 6, written: false } });
  expect(again.present.length).toBe(6);
  expect(filesBelow(mirror)).toEqual(files);

  const options = { home: machine.home, env: {}, mirror, hostCompatible: false, checkSignature: false };
  expect((await list({ ...options, specs: ["zlib"] })).packages.length).toBe(1);
  const { run, failed } = await install(["greet"], { ...options, store: join(machine.path, "store") });
  expect(failed).toEqual([]);
  expect(run?.installed.length).toBe(6);
});

test("push() mends a package of which a blob is cut short or gone", async () => {
  using machine = pushingMachine();
  const mirror = join(machine.path, "mirror");
  const { pushed } = await machine.push(mirror, { ...unsigned, specs: ["greet"] });
  const [cut, gone] = pushed.map(({ layer }) => {
    const hex = layer.slice("sha256:".length);
    return join(mirror, "blobs/sha256", hex.slice(0, 2), hex);
  });
  truncateSync(cut ?? "", 7);
  rmSync(gone ?? "");
  const again = await machine.push(mirror, { ...unsigned, specs: ["greet"] });
  expect(again.failed).toEqual([]);
  expect(again.pushed.map(({ name }) => name).sort()).toEqual(
    pushed
      .slice(0, 2)
      .map(({ name }) => name)
      .sort(),
  );
  expect(existsSync(gone ?? "")).toBe(true);
});

test("push() refuses to write to a mirror of signed packages without a key, unless told to", async () => {
  using machine = pushingMachine();
  const mirror = join(machine.path, "mirror");
  await expect(machine.push(mirror, { specs: ["greet"] })).rejects.toMatchObject({
    code: "gpg.no-secret-key",
  });
  expect(existsSync(mirror)).toBe(false);
});

test("push() makes no images where there is no registry", async () => {
  using machine = pushingMachine();
  const mirror = join(machine.path, "mirror");
  const images = machine.push(mirror, { specs: ["greet"], baseImage: "debian:12", unsigned: true });
  await expect(images).rejects.toMatchObject({ code: "push.images-unsupported" });
});

test("two who push the same at once both end well, and the index has all", async () => {
  using machine = pushingMachine();
  const mirror = join(machine.path, "mirror");
  const both = await Promise.all([
    machine.push(mirror, { ...unsigned, specs: ["greet"] }),
    machine.push(mirror, { ...unsigned, specs: ["libgreet"] }),
  ]);
  expect(both.flatMap(({ failed }) => failed)).toEqual([]);
  const { packages } = await list({ home: machine.home, env: {}, mirror });
  expect(packages.length).toBe(6);
});

test("a bucket takes what is pushed, renews its index, and gives it back", async () => {
  using machine = pushingMachine();
  const account = { bucket: "cache", accessKeyId: "AKID", secretAccessKey: "secret" };
  await using s3 = await startS3({
    ...account,
    pageSize: 2,
    fault: (_, seen) => (seen === 1 ? "slow-down" : undefined),
  });
  const env = {
    AWS_ACCESS_KEY_ID: account.accessKeyId,
    AWS_SECRET_ACCESS_KEY: account.secretAccessKey,
    S3_ENDPOINT_URL: s3.endpoint,
  };
  const mirror = "s3://cache/some/where";
  const { pushed, failed, index } = await machine.push(mirror, {
    ...unsigned,
    specs: ["zlib", "bzip2"],
    env,
  });
  expect(failed).toEqual([]);
  expect(index).toMatchObject({ packages: pushed.length });
  expect([...s3.objects.keys()].every((key) => key.startsWith("some/where/"))).toBe(true);
  const again = await machine.push(mirror, { ...unsigned, specs: ["zlib", "bzip2"], env });
  expect(again).toMatchObject({ pushed: [], index: { written: false } });
  const result = await install(["zlib"], {
    home: machine.home,
    env,
    mirror,
    store: join(machine.path, "store"),
    hostCompatible: false,
    checkSignature: false,
  });
  expect(result).toMatchObject({ failed: [] });
  expect(result.run?.installed.map(({ spec }) => spec.name)).toContain("zlib");
});
