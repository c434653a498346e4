import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { install, list, updateIndex } from "../../src/index.js";
import { startWebServer } from "../support/web-server.js";
import { hasShared, scratchDirectory, shared } from "../support/fixtures.js";

const greet = ["bzip2", "gcc-runtime", "greet", "greet-data", "libgreet", "zlib"];

/** What each of Spack's versions wrote: `greet` with all it needs. */
const mirrors = [
  { name: "mirror-v3-unsigned", packages: greet },
  { name: "mirror-v3-signed", packages: greet },
  { name: "mirror-v2-023", packages: greet },
  { name: "mirror-v2-021", packages: greet.filter((name) => name !== "gcc-runtime") },
];

function machine() {
  const scratch = scratchDirectory();
  const home = join(scratch.path, "home");
  const options = {
    home,
    env: { SPACK_USER_CONFIG_PATH: join(home, "spack"), SPACK_SYSTEM_CONFIG_PATH: join(home, "system") },
    store: join(scratch.path, "store"),
    jobs: 2,
  };
  return { ...scratch, options, [Symbol.dispose]: () => scratch[Symbol.dispose]() };
}

describe.skipIf(!hasShared)("mirrors that Spack wrote", () => {
  test.each(mirrors)("list() tells what $name has", async ({ name, packages }) => {
    using here = machine();
    const found = await list({ ...here.options, mirror: join(shared, name) });
    expect(found.packages.map(({ spec }) => spec.name).sort()).toEqual(packages);
  });

  test.each(mirrors)("install() takes all from $name, by name and by hash", async ({ name, packages }) => {
    using here = machine();
    const options = {
      ...here.options,
      mirror: join(shared, name),
      checkSignature: false,
      hostCompatible: false,
    };
    const { run, failed } = await install(["greet"], options);
    expect(failed).toEqual([]);
    expect(run?.installed.map(({ spec }) => spec.name).sort()).toEqual(packages);
    const hash = run?.installed.find(({ spec }) => spec.name === "greet")?.spec.hash ?? "";
    using other = machine();
    const again = await install([`/${hash}`], { ...options, ...other.options });
    expect(again.run?.installed.length).toBe(packages.length);
  });

  test.each(mirrors)(
    "install() takes all from $name over http, with transfers that break",
    async ({ name, packages }) => {
      using here = machine();
      await using web = await startWebServer(join(shared, name), {
        login: "user:secret",
        cut: (path, seen) => /\.spack$|\/blobs\//.test(path) && seen === 2,
      });
      mkdirSync(here.options.env.SPACK_USER_CONFIG_PATH, { recursive: true });
      writeFileSync(
        join(here.options.env.SPACK_USER_CONFIG_PATH, "mirrors.yaml"),
        `mirrors:\n  web:\n    url: ${web.url}\n    signed: false\n    access_pair: {id: user, secret_variable: SECRET}\n`,
      );
      const env = { ...here.options.env, SECRET: "secret" };
      const { run, failed } = await install(["greet"], { ...here.options, env, hostCompatible: false });
      expect(failed).toEqual([]);
      expect(run?.installed.length).toBe(packages.length);
      const written = updateIndex("web", { ...here.options, env, full: true });
      await expect(written).rejects.toMatchObject({ code: "mirror.read-only" });
    },
  );

  test("install() refuses a blob that was replaced, by its name", async () => {
    using here = machine();
    const mirror = join(here.path, "mirror");
    cpSync(join(shared, "mirror-v3-unsigned"), mirror, { recursive: true });
    const blob = "blobs/sha256/38/385ee9a8742dcf587ef45a0dad40ba3730593d2e37e7dcbe5b2f43c3fe8949e9";
    const other = "blobs/sha256/32/32fbee12995fd3d688c64874dbb93c8e6900ced5470a83350118ece5943674b6";
    rmSync(join(mirror, blob));
    cpSync(join(mirror, other), join(mirror, blob));
    const { failed } = await install(["zlib"], {
      ...here.options,
      mirror,
      checkSignature: false,
      hostCompatible: false,
    });
    expect(failed).toMatchObject([
      { failure: { code: "oci.blob-corrupt", subject: `file://${mirror}/${blob}` } },
    ]);
  });

  test("install() does not take a mirror of packages that must be signed for granted", async () => {
    using here = machine();
    const refused = install(["zlib"], { ...here.options, mirror: join(shared, "mirror-v3-unsigned") });
    await expect(refused).rejects.toMatchObject({ code: "gpg.signature-missing" });
  });

  test("list() reads both layouts of a mirror that has both", async () => {
    using here = machine();
    const mirror = join(here.path, "mirror");
    for (const { name } of [mirrors[0], mirrors[2]].filter((one) => one !== undefined))
      cpSync(join(shared, name), mirror, { recursive: true });
    const found = await list({ ...here.options, mirror, specs: ["greet"] });
    expect(found.packages.length).toBe(2);
  });
});

test("a mirror that does not exist is said to be missing, not empty", async () => {
  using here = machine();
  const missing = list({ ...here.options, mirror: join(here.path, "nowhere") });
  await expect(missing).rejects.toMatchObject({ code: "mirror.missing" });
});
