// Bundles the command line (with what it depends on, split so that a command loads only its own code),
// the library (dependencies stay outside) and the worker that both start.
import { spawnSync } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build as bundle } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));

// What has native parts or a licence that asks to stay replaceable is never bundled.
const external = ["koffi", "openpgp"];

const shared = {
  absWorkingDir: root,
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20.19",
  splitting: true,
  chunkNames: "[name]-[hash]",
  entryNames: "[name]",
  legalComments: "linked",
  logLevel: "warning",
};

/** An entry that this checkout does not have yet is left out, so that the house can be built room by room. */
const present = (entries) =>
  Object.fromEntries(Object.entries(entries).filter(([, file]) => existsSync(`${root}/${file}`)));

/** @param {{types?: boolean, clean?: boolean}} [options] */
export async function build({ types = true, clean = false } = {}) {
  if (clean) rmSync(`${root}/dist`, { recursive: true, force: true });
  await Promise.all([
    bundle({
      ...shared,
      entryPoints: present({
        stowage: "src/cli/main.ts",
        action: "src/action/main.ts",
        worker: "src/io/workers/worker.ts",
      }),
      outdir: "dist/cli",
      // Names stay: errors show them. (keepNames instead would set the name of every closure when it is made.)
      minifySyntax: true,
      minifyWhitespace: true,
      external,
      // Bundled CommonJS packages call require(); an ES module has none.
      banner: {
        js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
      },
    }),
    bundle({
      ...shared,
      entryPoints: present({
        index: "src/index.ts",
        version: "src/version/index.ts",
        worker: "src/io/workers/worker.ts",
      }),
      outdir: "dist/lib",
      packages: "external",
    }),
  ]);
  if (types) {
    const run = spawnSync(
      process.execPath,
      [`${root}/node_modules/typescript/bin/tsc`, "-p", "tsconfig.types.json"],
      {
        cwd: root,
        stdio: "inherit",
      },
    );
    if (run.status !== 0) throw new Error("tsc could not write the declarations");
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await build({ clean: true });
