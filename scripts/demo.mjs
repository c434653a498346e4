// The whole road on this machine, with real packages: a store that Spack wrote goes into a registry, comes out
// as a runnable image and as an install under another root, and runs there. Everything it says is checked.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  accessSync,
  constants,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { install, root } from "./run.mjs";

const started = performance.now();
const spackStore = "/opt/spack-fixture/opt/spack";
const packages = ["bzip2", "gcc-runtime", "greet", "greet-data", "libgreet", "zlib"];

function fail(message) {
  console.error(`demo: ${message}`);
  process.exit(1);
}

const check = (truth, what) => {
  if (!truth) fail(`NOT TRUE: ${what}`);
  console.log(`   ✓ ${what}`);
};

const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(2)} s`;
const size = (bytes) => (bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(2)} MB`);
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const heading = (text) => console.log(`\n\x1b[1m${text}\x1b[0m`);

install();
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const { build } = await import("./build.mjs");
await build({ types: false });

// A short place: programs keep the paths they were built with, and some of those cannot grow.
const places = [...new Set(["/tmp", tmpdir()])].filter((dir) => {
  try {
    accessSync(dir, constants.W_OK);
    return true;
  } catch {
    return false;
  }
});
if (places.length === 0) fail("neither /tmp nor $TMPDIR can be written");
const work = mkdtempSync(join(places[0], "stowage-"));
const paths = {
  machine: join(work, "machine-a"),
  base: join(work, "base"),
  registry: join(work, "registry"),
  config: join(work, "config"),
  store: join(work, "store"),
};
for (const dir of [paths.machine, paths.config]) mkdirSync(dir, { recursive: true });

const environment = {
  ...process.env,
  SPACK_USER_CONFIG_PATH: paths.config,
  SPACK_SYSTEM_CONFIG_PATH: paths.config,
  XDG_CACHE_HOME: join(work, "cache"),
};
for (const name of ["SPACK_ROOT", "SPACK_ENV", "SPACK_DISABLE_LOCAL_CONFIG"]) delete environment[name];

const cli = join(root, "dist/cli/stowage.js");
const shown = (args) => args.map((arg) => (/[^\w@%+=:,./~-]/.test(arg) ? `'${arg}'` : arg)).join(" ");

/** Runs stowage, shows what a person would see, and gives the document that a script would read. */
function stowage(...args) {
  console.log(`\n$ stowage ${shown(args)}`);
  const since = performance.now();
  const person = spawnSync(process.execPath, [cli, ...args], { env: environment, encoding: "utf8" });
  const took = seconds(since);
  process.stdout.write(person.stderr.replace(/^(?=.)/gm, "   "));
  process.stdout.write(person.stdout.replace(/^(?=.)/gm, "   "));
  if (person.status !== 0) fail(`stowage ended with exit code ${person.status}`);
  console.log(`   (${took})`);
  return person.stdout;
}

const stowageJson = (...args) =>
  JSON.parse(
    execFileSync(process.execPath, [cli, ...args, "--json"], { env: environment, encoding: "utf8" }),
  );

heading(`stowage ${version} on Node ${process.versions.node}, ${process.platform}-${process.arch}`);
console.log(`   everything is in ${work}`);

heading("1. A machine with packages that Spack installed");
execFileSync("tar", [
  "-xzf",
  join(root, "test/fixtures/store-1.3.tar.gz"),
  "-C",
  paths.machine,
  "--no-same-owner",
]);
const onA = ["--store", spackStore, "--sysroot", paths.machine];
stowage("find", ...onA, "-l");

heading("2. A base image: this machine's C library, and nothing else");
const canRun = process.platform === "linux" && process.arch === "x64";
const libraries = canRun ? hostLibraries() : [];
if (libraries.length > 0) {
  const bytes = writeBaseImage(libraries);
  console.log(`   ${libraries.join("\n   ")}\n   ${size(bytes)} as an OCI layout in ${paths.base}`);
} else console.log("   none: the packages are for Linux on x86_64 with glibc, and this is another machine");

heading("3. A registry");
console.log(`\n$ stowage serve --root ${paths.registry} --listen 127.0.0.1:0`);
const server = spawn(process.execPath, [cli, "serve", "--root", paths.registry, "--listen", "127.0.0.1:0"], {
  env: environment,
  stdio: ["ignore", "inherit", "pipe"],
});
process.on("exit", () => server.kill());
const url = await addressOf(server);
const host = new URL(url).host;
console.log(`   Serving at ${url}`);
stowage("mirror", "add", "--unsigned", "demo", `oci+http://${host}/demo`);

heading("4. Push: each package a tag, each tag an image");
const base = libraries.length > 0 ? ["--base-image", `oci:${paths.base}:latest`] : [];
stowage("buildcache", "push", ...onA, ...base, "--update-index", "demo", "greet");
const again = stowageJson("buildcache", "push", ...onA, ...base, "demo", "greet");
check(
  again.pushed.length === 0 && again.present.length === packages.length,
  "pushing again finds all there, and sends nothing",
);
stowage("buildcache", "list");
const listed = stowageJson("buildcache", "list")
  .packages.map(({ name }) => name)
  .sort();
check(listed.join() === packages.join(), `the index lists the ${packages.length} packages`);

const greet = stowageJson("find", ...onA, "greet").packages[0];
const tag = `greet-${greet.version}-${greet.hash}.spack`;
const manifest = await fetch(`${url}/v2/demo/manifests/${tag}`).then((answer) => answer.json());
for (const { digest, size: promised } of [manifest.config, ...manifest.layers]) {
  const blob = Buffer.from(
    await fetch(`${url}/v2/demo/blobs/${digest}`).then((answer) => answer.arrayBuffer()),
  );
  if (blob.length !== promised || `sha256:${sha256(blob)}` !== digest)
    fail(`${digest} is not what the manifest says`);
}
const total = manifest.layers.reduce((sum, layer) => sum + layer.size, 0);
check(
  true,
  `${host}/demo:${tag} is an image of ${manifest.layers.length} layers, ${size(total)}; every digest is right`,
);

heading("5. Another machine installs it, under another root");
stowage("--store", paths.store, "install", "greet");
stowage("--store", paths.store, "find", "-l");
const installed = stowageJson("--store", paths.store, "find", "greet").packages[0];
check(installed.hash === greet.hash, `greet/${greet.hash.slice(0, 7)} is installed in ${installed.prefix}`);
stowage("--store", paths.store, "verify", "--all");

const program = join(installed.prefix, "bin/greet");
if (libraries.length > 0) {
  console.log(`\n$ ${program} --where`);
  const said = execFileSync(program, ["--where"], { encoding: "utf8" });
  process.stdout.write(said.replace(/^(?=.)/gm, "   "));
  check(said.includes(installed.prefix), "the program runs, and knows where it is now");
  check(!said.includes(spackStore), "and nothing of where it was built");
  const spoken = execFileSync(join(installed.prefix, "bin/greet-sh"), ["stowage"], { encoding: "utf8" });
  process.stdout.write(spoken.replace(/^(?=.)/gm, "   "));
  check(/stowage/i.test(spoken), "its shell script finds it, too");
}

server.removeAllListeners("exit");
const ended = new Promise((resolve) => server.once("exit", resolve));
server.kill("SIGTERM");
await ended;
writeFileSync(
  join(work, "env.sh"),
  [
    ...["SPACK_USER_CONFIG_PATH", "SPACK_SYSTEM_CONFIG_PATH", "XDG_CACHE_HOME"].map(
      (n) => `export ${n}=${environment[n]}`,
    ),
    `stowage() { node ${cli} "$@"; }`,
    "",
  ].join("\n"),
);
heading(`All of it true, in ${seconds(started)}. To go on from here:`);
console.log(`
   source ${work}/env.sh
   stowage serve --root ${paths.registry} --listen ${host} &
   stowage buildcache list -l
   stowage --store ${paths.store} install bzip2
   skopeo inspect --tls-verify=false docker://${host}/demo:${tag}
   podman run --tls-verify=false ${host}/demo:${tag} greet
   rm -rf ${work}
`);

/** The files that greet and its packages' libraries need and no package of the store has: the loader and the C library. */
function hostLibraries() {
  const find = (dir, ...tests) => {
    const found = execFileSync("find", [dir, ...tests], { encoding: "utf8" });
    return found.split("\n").filter((line) => line !== "");
  };
  const prefixes = find(join(paths.machine, spackStore, "linux-x86_64"), "-mindepth", "1", "-maxdepth", "1");
  const loader = "/lib64/ld-linux-x86-64.so.2";
  const search = prefixes.map((prefix) => join(prefix, "lib")).join(":");
  const programs = prefixes.flatMap((prefix) => find(prefix, "-path", "*/bin/greet"));
  const loaded = [
    ...programs,
    ...prefixes.flatMap((prefix) => find(prefix, "-type", "f", "-name", "*.so.*")),
  ];
  const needed = new Set();
  for (const file of loaded) {
    const listed = spawnSync(loader, ["--library-path", search, "--list", file], { encoding: "utf8" });
    if (listed.status !== 0) return [];
    for (const [, library] of listed.stdout.matchAll(/=> (\/\S+)/g))
      if (!library.startsWith(work) && library !== loader) needed.add(library);
  }
  return [loader, ...needed];
}

/** Writes an OCI layout of one layer with these files at their own paths, links followed. Gives its size. */
function writeBaseImage(files) {
  const rootfs = join(work, "base-rootfs");
  for (const file of files) {
    mkdirSync(join(rootfs, dirname(file)), { recursive: true });
    cpSync(file, join(rootfs, file), { dereference: true });
  }
  mkdirSync(join(rootfs, "tmp"));
  mkdirSync(join(paths.base, "blobs/sha256"), { recursive: true });
  const put = (bytes, mediaType) => {
    const hex = sha256(bytes);
    writeFileSync(join(paths.base, "blobs/sha256", hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  };
  const tar = execFileSync(
    "tar",
    ["-C", rootfs, "--owner=0", "--group=0", "--numeric-owner", "-cf", "-", "."],
    {
      maxBuffer: 1 << 28,
    },
  );
  const type = (name) => `application/vnd.oci.image.${name}`;
  const layer = put(tar, type("layer.v1.tar"));
  const config = put(
    Buffer.from(
      JSON.stringify({
        architecture: "amd64",
        os: "linux",
        config: { Env: ["PATH=/usr/bin:/bin"] },
        rootfs: { type: "layers", diff_ids: [layer.digest] },
      }),
    ),
    type("config.v1+json"),
  );
  const image = put(
    Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: type("manifest.v1+json"), config, layers: [layer] }),
    ),
    type("manifest.v1+json"),
  );
  const named = { ...image, annotations: { "org.opencontainers.image.ref.name": "latest" } };
  writeFileSync(join(paths.base, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [named] }));
  writeFileSync(join(paths.base, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  rmSync(rootfs, { recursive: true });
  return statSync(join(paths.base, "blobs/sha256", layer.digest.slice(7))).size;
}

/** Where a registry that was started says it is; fails where it ends before. */
function addressOf(child) {
  return new Promise((resolve) => {
    let text = "";
    child.stderr.setEncoding("utf8").on("data", (chunk) => {
      text += chunk;
      const [address] = /http:\/\/\S+/.exec(text) ?? [];
      if (address !== undefined && text.includes("\n")) resolve(address);
    });
    child.once("exit", (code) => fail(`the registry ended with exit code ${code}: ${text}`));
  });
}
