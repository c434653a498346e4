import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { scratchDirectory } from "../support/fixtures.js";
import { missingProgram, run } from "../support/peers.js";
import { pushingMachine } from "../support/push.js";
import { startRegistry } from "../support/registry.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const reason =
  missingProgram("buildah") ??
  missingProgram("umoci") ??
  missingProgram("skopeo") ??
  (process.getuid?.() === 0 ? undefined : "chroot needs root");

/** Copies programs of this machine, with the libraries that they load, into a root of their own. */
function copyPrograms(to: string, programs: readonly string[]): void {
  const libraries = programs.flatMap((program) =>
    [...execFileSync("ldd", [program], { encoding: "utf8" }).matchAll(/(\/\S+) \(0x/g)].map(
      ([, path]) => path ?? "",
    ),
  );
  for (const path of new Set([...programs, ...libraries])) {
    mkdirSync(dirname(join(to, path)), { recursive: true });
    cpSync(path, join(to, path), { dereference: true });
  }
}

/** An image of a directory, in an OCI layout. */
async function imageOf(directory: string, layout: string): Promise<string> {
  const tar = `${layout}.tar`;
  execFileSync("tar", ["-C", directory, "-cf", tar, "."]);
  await run("umoci", ["init", "--layout", layout]);
  await run("umoci", ["new", "--image", `${layout}:1`]);
  await run("umoci", ["raw", "add-layer", "--image", `${layout}:1`, tar]);
  return `oci:${layout}:1`;
}

test.skipIf(reason !== undefined)(
  `the Dockerfile installs in one RUN, and its image has packages that run${reason === undefined ? "" : ` (skipped: ${reason})`}`,
  { timeout: 240_000 },
  async () => {
    using scratch = scratchDirectory();
    using machine = pushingMachine();
    await using registry = await startRegistry();
    const cache = `oci+http://${registry.host}/cache`;
    await machine.push(cache, { specs: ["greet"], updateIndex: true });

    // This machine's own programs stand in for Debian's and Node's images; and npm for the one that asks a registry.
    const base = join(scratch.path, "base");
    copyPrograms(base, ["/bin/sh", "/bin/ls", "/bin/mkdir", "/bin/ln"]);
    const node = join(scratch.path, "node");
    cpSync(base, node, { recursive: true });
    copyPrograms(node, [process.execPath, "/usr/bin/env"]);
    for (const one of [base, node]) for (const folder of ["tmp", "etc", "root"]) mkdirSync(join(one, folder));
    cpSync("/etc/os-release", join(node, "etc/os-release"), { dereference: true });
    cpSync(join(root, "dist"), join(node, "opt/stowage/dist"), { recursive: true });
    cpSync(join(root, "package.json"), join(node, "opt/stowage/package.json"));
    mkdirSync(join(node, "usr/bin"), { recursive: true });
    if (!existsSync(join(node, "usr/bin/node"))) symlinkSync(process.execPath, join(node, "usr/bin/node"));
    const npm = join(node, "usr/bin/npm");
    writeFileSync(npm, `#!/bin/sh\nln -s /opt/stowage/dist/cli/stowage.js /usr/bin/stowage\n`);
    chmodSync(npm, 0o755);

    const storage = ["--root", join(scratch.path, "storage"), "--runroot", join(scratch.path, "run")];
    const env = { STORAGE_DRIVER: "vfs", BUILDAH_ISOLATION: "chroot", HOME: scratch.path };
    const login = join(scratch.path, "login.json");
    writeFileSync(login, "{}");
    const pushed = async (directory: string, name: string): Promise<string> => {
      const image = await imageOf(directory, join(scratch.path, name));
      const there = `${registry.host}/${name}:1`;
      await run("skopeo", ["copy", "--quiet", "--dest-tls-verify=false", image, `docker://${there}`]);
      return there;
    };
    const given = {
      NODE: await pushed(node, "node-image"),
      BASE: await pushed(base, "base-image"),
      CACHE: cache,
      SPECS: "greet",
    };
    const made = "localhost/made:1";
    await run(
      "buildah",
      [
        ...[...storage, "build", "--isolation=chroot", "--network=host", "--tls-verify=false", "--tag", made],
        ...["--secret", `id=login,src=${login}`],
        ...Object.entries(given).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]),
        ...["--file", join(root, "examples/docker/Dockerfile"), scratch.path],
      ],
      env,
      { timeout: 200_000 },
    );
    const container = (await run("buildah", [...storage, "from", made], env)).trim();
    expect(await run("buildah", [...storage, "run", container, "--", "greet"], env)).toMatch(/hello/i);
  },
);
