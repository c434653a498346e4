// Installs a real Python stack (14 packages, 6,700 files, 284 MB) as a user does, beside GNU tar on the same layers.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { push } from "../src/app/push.js";
import { readEntry } from "../src/buildcache/entry.js";
import { packageTags } from "../src/buildcache/index-update.js";
import { openHttpClient } from "../src/io/http-client/http-client.js";
import { openRemoteRepository } from "../src/io/registry/remote.js";
import { systemClock, systemRandom } from "../src/io/system/clock.js";
import { parseRegistryUrl } from "../src/oci/reference.js";
import type { Benchmark, Prepare } from "./harness.js";

const data = "../shared/fixtures/python-stack.store.tar.xz";
const storeRoot = "/opt/stacks/ci0";
const roots = ["/uagpdy7swdtkfn35aelh2uyn7gw6paob", "/mll6bwdilbdswu2t2axpwkgvy5nv4kli"];
/** What all of an install may take, in KiB. */
const memoryLimit = 300 * 1024;

/** The command as it is shipped. */
const stowage = fileURLToPath(new URL("../cli/stowage.js", import.meta.url));

export const prepare: Prepare = async () => {
  if (!existsSync(data)) {
    console.error(`install: skipped, ${data} is missing`);
    return [];
  }
  const memory = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  const scratch = mkdtempSync(join(memory, "stowage-bench-"));
  const onDisk = mkdtempSync(join(tmpdir(), "stowage-bench-"));
  const servers: ChildProcess[] = [];
  process.on("exit", () => {
    for (const server of servers) server.kill("SIGKILL");
    for (const folder of [scratch, onDisk]) rmSync(folder, { recursive: true, force: true });
  });
  const machine = join(scratch, "machine");
  mkdirSync(machine);
  run("tar", ["-xJf", data, "-C", machine]);

  const ours = await start(servers, (host) => [
    process.execPath,
    [stowage, "serve", "--root", join(scratch, "ours"), "--listen", host],
  ]);
  const registries = [{ name: "our registry", host: ours }];
  if (spawnSync("docker-registry", ["--version"]).status === 0) {
    const host = await start(servers, (address) => {
      const config = join(scratch, "docker-registry.yml");
      const storage = { filesystem: { rootdirectory: join(scratch, "theirs") } };
      writeFileSync(
        config,
        JSON.stringify({ version: 0.1, log: { level: "error" }, storage, http: { addr: address } }),
      );
      return ["docker-registry", ["serve", config]];
    });
    registries.push({ name: "docker-registry", host });
  } else console.error("install: docker-registry is missing, only our registry is asked");
  for (const { host } of registries)
    await push(`oci+http://${host}/bench`, {
      specs: roots,
      store: storeRoot,
      sysroot: machine,
      home: scratch,
      env: { HOME: scratch },
    });
  const layers = await saveLayers(ours, join(scratch, "layers"));
  rmSync(machine, { recursive: true });

  const benchmarkIn = (folder: string, where: string, { name, host }: { name: string; host: string }) => {
    const target = join(folder, "target");
    const title = `install ${layers.length} packages by hash from ${name} ${where}`;
    return {
      name: title,
      run: () => note(title, install({ host, store: join(target, "store"), cache: join(target, "cache") })),
      peer: {
        name: "tar -xzf, two at a time",
        run: () => {
          mkdirSync(target);
          const args = ["-P2", "-n1", "tar", "-C", target, "-xzf"];
          note(`tar ${where}`, timed("xargs", args, { input: layers.join("\n") }));
        },
      },
      reset: () => rmSync(target, { recursive: true }),
      goal: { timesPeer: 1 },
      rounds: 5,
      count: layers.length,
      unit: "packages",
    } satisfies Benchmark;
  };
  const again = { host: ours, store: join(scratch, "again"), cache: join(scratch, "again-cache") };
  install(again);
  return [
    ...registries.map((registry) => benchmarkIn(scratch, "on tmpfs", registry)),
    benchmarkIn(onDisk, "on disk", { name: "our registry", host: ours }),
    {
      name: "install what is installed",
      run: () => install(again),
      peer: { name: "node -e 0", run: () => run(process.execPath, ["-e", "0"]) },
      goal: { timesPeer: 1 / 3 },
      count: 1,
      unit: "runs",
    },
  ];
};

function install({ host, store, cache }: { host: string; store: string; cache: string }): Spent {
  const args = [stowage, "install", "--store", store, "--mirror", `oci+http://${host}/bench`, ...roots];
  return timed(process.execPath, args, { env: { XDG_CACHE_HOME: cache, HOME: cache } });
}

/** What a command and its children took: peak memory in KiB, seconds of processors. */
interface Spent {
  readonly memory: number;
  readonly processors: number;
}

/** A loaded machine favours who has more processes: their seconds of processors can be compared all the same. */
const seconds = new Map<string, number[]>();
process.on("exit", () => {
  for (const [name, all] of seconds) {
    const middle = all.toSorted((a, b) => a - b)[all.length >> 1] ?? Number.NaN;
    console.error(`install: ${name}: ${middle.toFixed(2)} s of processors`);
  }
});

function note(name: string, { memory, processors }: Spent): void {
  if (memory > memoryLimit) throw new Error(`${name} took ${memory} KiB, more than ${memoryLimit}`);
  seconds.set(name, [...(seconds.get(name) ?? []), processors]);
}

/** By GNU time, where it is installed. */
function timed(program: string, args: readonly string[], options: RunOptions = {}): Spent {
  if (!existsSync("/usr/bin/time")) {
    run(program, args, options);
    return { memory: Number.NaN, processors: Number.NaN };
  }
  const stderr = run("/usr/bin/time", ["-f", "%M %U %S", program, ...args], options);
  const [memory = "", user, system] = stderr.trim().split("\n").at(-1)?.split(" ") ?? [];
  return { memory: Number(memory), processors: Number(user) + Number(system) };
}

interface RunOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Returns what it said on stderr. */
function run(program: string, args: readonly string[], { input = "", env = {} }: RunOptions = {}): string {
  const done = spawnSync(program, args, { input, encoding: "utf8", env: { ...process.env, ...env } });
  if (done.status !== 0) throw new Error(`${program} ${args.join(" ")}: ${done.stderr}${done.stdout}`);
  return done.stderr;
}

/** The archives of all packages, the largest first. */
async function saveLayers(host: string, folder: string): Promise<readonly string[]> {
  mkdirSync(folder);
  await using client = openHttpClient({ clock: systemClock, random: systemRandom });
  const repository = openRemoteRepository(parseRegistryUrl(`oci+http://${host}/bench`), client);
  const saved: { path: string; size: number }[] = [];
  for (const tag of (await packageTags(repository)).values()) {
    const entry = await readEntry(repository, tag);
    if (entry === undefined) throw new Error(`${tag} is gone`);
    const path = join(folder, `${tag}.tar.gz`);
    await writeFile(path, entry.open());
    saved.push({ path, size: entry.layer.size });
  }
  return saved.toSorted((a, b) => b.size - a.size).map(({ path }) => path);
}

/** Starts a server on a port that is free, and waits until it answers. */
async function start(
  servers: ChildProcess[],
  command: (host: string) => readonly [string, readonly string[]],
): Promise<string> {
  const port = await new Promise<number>((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
  const host = `127.0.0.1:${port}`;
  const [program, args] = command(host);
  servers.push(spawn(program, args, { stdio: "ignore" }));
  for (let tries = 0; tries < 100; tries++) {
    if (
      await fetch(`http://${host}/v2/`).then(
        ({ ok }) => ok,
        () => false,
      )
    )
      return host;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${program} does not answer at ${host}`);
}
