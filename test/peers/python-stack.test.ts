import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { install } from "../../src/app/install.js";
import { push } from "../../src/app/push.js";
import { scratchDirectory, shared } from "../support/fixtures.js";
import { startRegistry } from "../support/registry.js";

const data = join(shared, "python-stack.store.tar.xz");
const soak = process.env["STOWAGE_SOAK"] !== undefined;
/** Where the packages were made: 15 characters. */
const made = "/opt/stacks/ci0";
const python = "uagpdy7swdtkfn35aelh2uyn7gw6paob";
const hdf5 = "mll6bwdilbdswu2t2axpwkgvy5nv4kli";

// 300 MB several times over: in the long run only.
describe.skipIf(!soak || !existsSync(data))("a real Python, with all it needs and HDF5", () => {
  const scratch = scratchDirectory();
  const machine = join(scratch.path, "machine");
  const env = { HOME: scratch.path };
  let mirror = "";
  let close = async () => {};
  afterAll(async () => {
    await close();
    scratch[Symbol.dispose]();
  });
  beforeAll(async () => {
    mkdirSync(machine);
    execFileSync("tar", ["-xJf", data, "-C", machine]);
    const registry = await startRegistry({ storage: "disk", root: join(scratch.path, "registry") });
    close = () => registry.close();
    mirror = `oci+${registry.url}/stack`;
    const specs = [`/${python}`, `/${hdf5}`];
    const { failed } = await push(mirror, { specs, store: made, sysroot: machine, home: scratch.path, env });
    expect(failed).toEqual([]);
    rmSync(machine, { recursive: true });
  }, 300_000);

  /** A folder of so many characters. */
  const rootOf = (length: number): string => {
    const folder = mkdtempSync(join(tmpdir(), "s"));
    return length <= folder.length ? folder : `${folder}/${"r".repeat(length - folder.length - 1)}`;
  };
  const at = (root: string, name: string) => `${root}/linux-x86_64/${name}`;
  const run = (program: string, ...args: string[]) =>
    execFileSync(program, args, { encoding: "utf8", env: {} });

  test.each([
    ["shorter", 12],
    ["equally long", made.length],
    ["40 characters longer", made.length + 40],
  ])(
    "runs in a root that is %s",
    async (_, length) => {
      const root = rootOf(length);
      try {
        const options = { mirror, store: root, home: scratch.path, env, hostCompatible: false };
        const { failed, run: done } = await install([`/${python}`, `/${hdf5}`], options);
        expect(failed).toEqual([]);
        expect(done?.installed).toHaveLength(14);
        const code = "import sqlite3, ssl, ctypes, lzma, readline, sys; print(sys.prefix)";
        const prefix = at(root, `python-3.11.2-${python}`);
        expect(run(`${prefix}/bin/python3`, "-c", code).trim()).toBe(prefix);
        expect(run(`${at(root, `hdf5-1.10.8-${hdf5}`)}/bin/h5dump`, "--version")).toContain("1.10.8");
      } finally {
        rmSync(root, { recursive: true, force: true });
      }
    },
    300_000,
  );

  test("is refused in a root that is 120 characters longer, which says how long it may be", async () => {
    const store = `/tmp/${"r".repeat(made.length + 120 - "/tmp/".length)}`;
    await expect(install([`/${python}`], { mirror, store, home: scratch.path, env })).rejects.toMatchObject({
      code: "install.root-too-long",
      hint: expect.stringMatching(/at most \d+ bytes/),
    });
    expect(existsSync(store)).toBe(false);
  });
});
