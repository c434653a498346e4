// Bundles the command line (with what it depends on), the library (dependencies stay outside) and the worker that
// both start.
import { spawnSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build as bundle } from "esbuild";
import { v8Flags } from "./v8-flags.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));

// What has native parts or a licence that asks to stay replaceable is never bundled.
const external = ["koffi", "openpgp", "@sigstore/*"];

const shared = {
  absWorkingDir: root,
  bundle: true,
  platform: "node",
  target: "node20.19",
  chunkNames: "[name]-[hash]",
  entryNames: "[name]",
  legalComments: "linked",
  logLevel: "warning",
};

/** An entry that this checkout does not have yet is left out, so that the house can be built room by room. */
const present = (entries) =>
  Object.fromEntries(Object.entries(entries).filter(([, file]) => existsSync(`${root}/${file}`)));

/** Of undici only what sends requests; all of it takes 80 ms to load, since it wakes Node's own copy for `fetch`. */
const slimUndici = {
  name: "slim undici",
  setup(build) {
    build.onResolve({ filter: /^undici$/ }, () => ({ path: `${root}/scripts/slim-undici.cjs` }));
    // Nobody asks for HTTP/2 here, and Node's own part of it would be loaded.
    build.onLoad({ filter: /undici\/lib\/dispatcher\/client-h2\.js$/ }, () => ({ contents: "" }));
  },
};

/**
 * The command line and its threads: each one file, which Node runs in a fraction of the time that a hundred small ones
 * take, and which is compiled beforehand. What a command does not use is not evaluated.
 */
async function bundleProgram() {
  const start = "src/cli/start.ts";
  const own = { ...shared, outdir: `${root}/dist/cli`, format: "cjs" };
  await Promise.all([
    bundle({
      ...own,
      entryPoints: { stowage: start, action: start, worker: start },
      define: { v8Flags: JSON.stringify(v8Flags) },
    }),
    bundle({
      ...own,
      entryPoints: present({
        "stowage.bundle": "src/cli/main.ts",
        "action.bundle": "src/action/main.ts",
        "worker.bundle": "src/io/workers/worker.ts",
      }),
      // Names stay: errors show them. (keepNames instead would set the name of every closure when it is made.)
      minifySyntax: true,
      minifyWhitespace: true,
      external,
      // A script that is run by hand has no import().
      supported: { "dynamic-import": false },
      plugins: [slimUndici],
      define: { "import.meta.url": "__url" },
      banner: {
        js: '(function (require, __filename) { const __url = require("node:url").pathToFileURL(__filename).href;',
      },
      footer: { js: "})" },
    }),
  ]);
  // The package's own files are ES modules.
  writeFileSync(`${root}/dist/cli/package.json`, '{ "type": "commonjs" }\n');
  run("scripts/compile.mjs", [], "V8 could not compile the bundles");
}

/** @param {{types?: boolean, clean?: boolean}} [options] */
export async function build({ types = true, clean = false } = {}) {
  if (clean) rmSync(`${root}/dist`, { recursive: true, force: true });
  await Promise.all([
    bundleProgram(),
    bundle({
      ...shared,
      entryPoints: present({
        index: "src/index.ts",
        version: "src/version/index.ts",
        worker: "src/io/workers/worker.ts",
      }),
      outdir: "dist/lib",
      format: "esm",
      splitting: true,
      packages: "external",
    }),
  ]);
  if (types)
    run(
      "node_modules/typescript/bin/tsc",
      ["-p", "tsconfig.types.json"],
      "tsc could not write the declarations",
    );
}

function run(script, args, failed) {
  const { status } = spawnSync(process.execPath, [`${root}/${script}`, ...args], {
    cwd: root,
    stdio: "inherit",
  });
  if (status !== 0) throw new Error(failed);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await build({ clean: true });
