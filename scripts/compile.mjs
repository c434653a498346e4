// Compiles bundles beforehand: V8 keeps the result as bytes, which it takes again where its version and its flags are
// the same. Reading them costs what they weigh, so of the command line only what the usual commands ran is kept: they
// are run here, one after another, each adding what it called. Of a thread's bundle all is kept.
//
//   node scripts/compile.mjs             all of dist/cli
//   node scripts/compile.mjs run WORD…   one command, which leaves what it called
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { Script } from "node:vm";
import { setV8Flags } from "./v8-flags.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const entry = join(root, "dist/cli/stowage.js");
const bundleOf = (name) => join(root, `dist/cli/${name}.bundle.js`);

setV8Flags();
const [what, ...words] = process.argv.slice(2);
if (what === "run") runCommand(words);
else {
  compileWhole("worker");
  try {
    await runUsualCommands();
  } catch (error) {
    // A machine without tar or without a loopback device: then all is kept.
    console.error(`compile: the usual commands cannot be run here: ${error.message}`);
    compileWhole("stowage");
  }
}

function sourceOf(bundle) {
  const source = readFileSync(bundle, "latin1");
  if (/[^\0-\x7f]/.test(source))
    throw new Error(`${bundle} is not ASCII, and would be read as something else`);
  return source;
}

function compileWhole(name) {
  const bundle = bundleOf(name);
  setFlagsFromString("--no-lazy");
  const script = new Script(sourceOf(bundle), { filename: bundle });
  setFlagsFromString("--lazy");
  writeFileSync(`${bundle}.cache`, script.createCachedData());
}

/** As src/cli/start.ts does; what earlier commands called is kept. */
function runCommand(args) {
  const bundle = bundleOf("stowage");
  const compiled = `${bundle}.cache`;
  const script = new Script(sourceOf(bundle), {
    filename: bundle,
    cachedData: existsSync(compiled) ? readFileSync(compiled) : undefined,
  });
  if (script.cachedDataRejected) throw new Error(`V8 does not take ${compiled}, which it wrote`);
  process.argv = [process.execPath, entry, ...args];
  process.on("exit", () => writeFileSync(compiled, script.createCachedData()));
  script.runInThisContext()(createRequire(entry), bundle);
}

async function runUsualCommands() {
  const work = mkdtempSync(join(tmpdir(), "stowage-build-"));
  const machine = join(work, "machine");
  mkdirSync(machine);
  const archive = join(root, "test/fixtures/store-1.3.tar.gz");
  execFileSync("tar", ["-xzf", archive, "-C", machine, "--no-same-owner"]);
  const env = {
    HOME: work,
    PATH: process.env["PATH"],
    SPACK_USER_CONFIG_PATH: work,
    SPACK_SYSTEM_CONFIG_PATH: work,
  };
  rmSync(`${bundleOf("stowage")}.cache`, { force: true });
  const listen = ["serve", "--root", join(work, "registry"), "--listen", "127.0.0.1:0"];
  const server = spawn(process.execPath, [entry, ...listen], { env, stdio: ["ignore", "ignore", "pipe"] });
  try {
    const mirror = await addressOf(server);
    const push = ["push", "--store", "/opt/spack-fixture/opt/spack", "--sysroot", machine, mirror, "greet"];
    const install = ["install", "--store", join(work, "store"), "--mirror", mirror, "greet"];
    const commands = [
      ["--help"],
      ["buildcache", ...push, "--update-index"],
      ["buildcache", ...push],
      ["buildcache", "update-index", mirror],
      ["buildcache", "update-index", "--full", mirror],
      ["buildcache", "list", "-m", mirror],
      ["buildcache", "list", "-m", mirror, "greet"],
      install,
      install,
      ["find", "--store", join(work, "store")],
    ];
    // One that fails has called what it called: where the packages are for another platform, an install does.
    for (const command of commands) {
      const words = [fileURLToPath(import.meta.url), "run", ...command];
      const { status, stderr } = spawnSync(process.execPath, words, { env, encoding: "utf8" });
      if (status !== 0) console.error(`compile: stowage ${command.join(" ")}: ${stderr}`);
    }
  } finally {
    server.kill();
    rmSync(work, { recursive: true, force: true });
  }
  if (!existsSync(`${bundleOf("stowage")}.cache`)) throw new Error("no command could be run");
}

/** The repository of a registry that has told where it listens. */
async function addressOf(server) {
  for await (const line of createInterface(server.stderr)) {
    const host = /http:\/\/(\S+)/.exec(line)?.[1];
    if (host !== undefined) return `oci+http://${host}/build`;
  }
  throw new Error("the registry did not start");
}
