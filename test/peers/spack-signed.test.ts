import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { publishGpgKeys } from "../../src/index.js";
import { scratchDirectory, spackRoot } from "../support/fixtures.js";
import { makeGpgHome } from "../support/gpg.js";
import { pushingMachine } from "../support/push.js";
import { writeRecipes } from "../support/spack-recipes.js";

/** Root of a Spack 1.x; without one there is nobody to ask. */
const checkout = process.env["STOWAGE_SPACK"];
if (checkout === undefined) console.warn("skipped: STOWAGE_SPACK names no Spack");

test.skipIf(checkout === undefined)(
  "real Spack takes our published key, and then our signed packages, and not before",
  { timeout: 300_000 },
  async () => {
    using scratch = scratchDirectory();
    await using signer = await makeGpgHome();
    await using reader = await makeGpgHome();
    using machine = pushingMachine();
    const at = (...path: readonly string[]): string => join(scratch.path, ...path);
    const key = await signer.create("signer");
    const env = { PATH: process.env["PATH"], SPACK_GNUPGHOME: signer.home };
    const { failed } = await machine.push(at("mirror"), { specs: ["zlib"], updateIndex: true, env });
    expect(failed).toEqual([]);
    await publishGpgKeys(at("mirror"), { home: machine.home, env, updateIndex: true });

    await writeRecipes(machine.locate(spackRoot), scratch.path);
    writeFileSync(at("scope/config.yaml"), `config:\n  install_tree: {root: ${at("store")}}\n`);
    writeFileSync(
      at("scope/mirrors.yaml"),
      `mirrors:\n  ours: {url: file://${at("mirror")}, signed: true}\n`,
    );
    const spack = async (...args: readonly string[]): Promise<string> => {
      const { stdout, stderr } = await promisify(execFile)(join(checkout ?? "", "bin/spack"), args, {
        env: {
          PATH: process.env["PATH"] ?? "/usr/bin:/bin",
          HOME: at("home"),
          SPACK_USER_CONFIG_PATH: at("scope"),
          SPACK_SYSTEM_CONFIG_PATH: at("system"),
          SPACK_USER_CACHE_PATH: at("home"),
          SPACK_GNUPGHOME: reader.home,
        },
      }).catch((error: unknown) => Object(error));
      return `${stdout}${stderr}`;
    };
    const install = () => spack("buildcache", "install", "-o", "/7i7xbvpxpadyo4mhvbnuvmj7zam5ay4z");
    expect(await install()).not.toContain("Good signature");
    expect(await spack("find", "--format", "{name}")).not.toContain("zlib");
    expect(await spack("buildcache", "keys", "--install", "--trust", "--yes-to-all")).toContain(
      "imported: 1",
    );
    const said = await install();
    expect(said).toContain(`key ${key}`);
    expect(said).toContain("Good signature");
    expect(await spack("find", "--format", "{name}")).toContain("zlib");
  },
);
