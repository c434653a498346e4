import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { image } from "../../src/app/image.js";
import { push } from "../../src/app/push.js";
import { scratchDirectory, shared } from "../support/fixtures.js";
import { missingProgram, run, runInImage } from "../support/peers.js";
import { startRegistry } from "../support/registry.js";

const stack = join(shared, "python-stack.store.tar.xz");
const reason =
  (process.env["STOWAGE_SOAK"] === undefined ? "it takes minutes and packages of Debian" : undefined) ??
  (existsSync(stack) ? undefined : "it needs ../shared") ??
  missingProgram("mmdebstrap") ??
  missingProgram("umoci") ??
  missingProgram("buildah") ??
  (process.getuid?.() === 0 ? undefined : "chroot needs root");

test.skipIf(reason !== undefined)(
  `python of a real stack runs over a base of Debian${reason === undefined ? "" : ` (skipped: ${reason})`}`,
  { timeout: 900_000 },
  async () => {
    using scratch = scratchDirectory();
    const base = join(scratch.path, "base");
    const tar = process.env["STOWAGE_DEBIAN_TAR"] ?? join(scratch.path, "debian.tar");
    if (!existsSync(tar))
      execFileSync("mmdebstrap", ["--variant=minbase", "--mode=root", "--include=libssl3", "bookworm", tar], {
        stdio: "ignore",
      });
    await run("umoci", ["init", "--layout", base]);
    await run("umoci", ["new", "--image", `${base}:12`]);
    await run("umoci", ["raw", "add-layer", "--image", `${base}:12`, tar]);
    const sysroot = join(scratch.path, "sysroot");
    mkdirSync(sysroot);
    execFileSync("tar", ["-xJf", stack, "-C", sysroot]);

    await using registry = await startRegistry({ storage: "disk" });
    const mirror = `oci+http://${registry.host}/stack`;
    const place = { env: { SPACK_DISABLE_LOCAL_CONFIG: "1" }, home: join(scratch.path, "home") };
    const baseImage = `oci:${base}:12`;
    const store = "/opt/stacks/ci0";
    const pushed = await push(mirror, { ...place, specs: ["python"], store, sysroot, baseImage });
    expect(pushed.failed).toEqual([]);
    await image(mirror, {
      ...place,
      specs: [`/${pushed.pushed.find(({ name }) => name === "python")?.hash}`],
      tag: "python",
      baseImage,
      maxLayers: 6,
    });
    const script =
      "import sqlite3, ssl, ctypes; print(sqlite3.connect(':memory:').execute('select 6*7').fetchone()[0])";
    for (const tag of [pushed.pushed.find(({ name }) => name === "python")?.tag, "python"])
      expect(await runInImage(`${registry.host}/stack:${tag}`, ["python3", "-c", script])).toBe("42\n");
  },
);
