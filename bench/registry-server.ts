// Our registry beside Debian's docker-registry: 1 GiB in 8 blobs and 5,000 small manifests, up and down, by curl.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { serve } from "../src/app/serve.js";
import { utf8 } from "../src/base/bytes.js";
import { digestOf } from "../src/oci/digest.js";
import { mediaTypes } from "../src/oci/media-types.js";
import type { Prepare } from "./harness.js";

const blobs = 8;
const blobBytes = 128 * 1024 * 1024;
const manifests = 5000;
/** Connections at once for manifests. */
const parallel = 16;
/** What the server's process may take, in KiB. */
const memoryLimit = 120 * 1024;

const self = fileURLToPath(import.meta.url);

// Started as a program, this file is the server that is timed: in a process of its own, as docker-registry is.
if (process.argv[1] === self) {
  const [, , root = "", listen = ""] = process.argv;
  await serve({ root, listen, dedicated: true });
}

export const prepare: Prepare = async () => {
  const scratch = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "stowage-bench-"));
  const servers: ChildProcess[] = [];
  process.on("exit", () => {
    for (const server of servers) server.kill("SIGKILL");
    rmSync(scratch, { recursive: true, force: true });
  });
  const files = makeFiles(scratch);
  const ours = await start(servers, (host) => [process.execPath, self, join(scratch, "ours"), host]);
  const theirs = await start(servers, (host) => {
    const config = join(scratch, "docker-registry.yml");
    const storage = { filesystem: { rootdirectory: join(scratch, "theirs") } };
    writeFileSync(
      config,
      JSON.stringify({
        version: 0.1,
        log: { level: "error", accesslog: { disabled: true } },
        storage,
        http: { addr: host },
      }),
    );
    return ["docker-registry", "serve", config];
  });
  const against = (run: (host: string) => Promise<void>) => ({
    run: async () => {
      await run(ours.host);
      demandMemory(ours.pid);
    },
    peer: { name: "docker-registry", run: () => run(theirs.host) },
    goal: { timesPeer: 1 },
  });
  return [
    {
      name: "upload 1 GiB",
      ...against((host) => pushBlobs(host, files)),
      count: blobs * blobBytes,
      unit: "bytes",
    },
    {
      name: "download 1 GiB",
      ...against((host) => pullBlobs(host, files)),
      count: blobs * blobBytes,
      unit: "bytes",
    },
    {
      name: "upload 5,000 manifests",
      ...against((host) => pushManifests(host, files)),
      count: manifests,
      unit: "manifests",
    },
    {
      name: "download 5,000 manifests",
      ...against((host) => pullManifests(host)),
      count: manifests,
      unit: "manifests",
    },
  ];
};

interface Files {
  readonly scratch: string;
  readonly blobs: readonly { readonly path: string; readonly digest: string }[];
  readonly manifests: readonly string[];
}

function makeFiles(scratch: string): Files {
  const config = { mediaType: mediaTypes.ociConfig, digest: digestOf(utf8("{}")), size: 2 };
  mkdirSync(join(scratch, "files"));
  writeFileSync(join(scratch, "files/config"), "{}");
  return {
    scratch,
    blobs: Array.from({ length: blobs }, (_, i) => {
      const path = join(scratch, `files/blob-${i}`);
      const bytes = randomFillSync(Buffer.alloc(blobBytes));
      writeFileSync(path, bytes);
      return { path, digest: digestOf(bytes) };
    }),
    manifests: Array.from({ length: manifests }, (_, i) => {
      const path = join(scratch, `files/manifest-${i}`);
      const annotations = { "org.example.number": String(i) };
      const mediaType = mediaTypes.ociManifest;
      writeFileSync(path, JSON.stringify({ schemaVersion: 2, mediaType, config, layers: [], annotations }));
      return path;
    }),
  };
}

async function pushBlobs(host: string, { blobs: all, scratch }: Files): Promise<void> {
  const transfers = await Promise.all(
    all.map(async ({ path, digest }) => ({ "upload-file": path, url: await uploadUrl(host, digest) })),
  );
  await curl(scratch, transfers, blobs);
}

async function uploadUrl(host: string, digest: string): Promise<string> {
  const started = await fetch(`http://${host}/v2/bench/blobs/uploads/`, { method: "POST" });
  const url = new URL(started.headers.get("location") ?? "", `http://${host}`);
  url.searchParams.set("digest", digest);
  return url.href;
}

const pullBlobs = (host: string, { blobs: all, scratch }: Files): Promise<void> =>
  curl(
    scratch,
    all.map(({ digest }) => ({ url: `http://${host}/v2/bench/blobs/${digest}`, output: "/dev/null" })),
    blobs,
  );

async function pushManifests(host: string, { manifests: all, scratch }: Files): Promise<void> {
  await fetch(await uploadUrl(host, digestOf(utf8("{}"))), { method: "PUT", body: "{}" });
  const header = `Content-Type: ${mediaTypes.ociManifest}`;
  await curl(
    scratch,
    all.map((path, i) => ({ "upload-file": path, url: `http://${host}/v2/bench/manifests/t${i}`, header })),
    parallel,
  );
}

const pullManifests = (host: string): Promise<void> =>
  curl(
    tmpdir(),
    Array.from({ length: manifests }, (_, i) => ({
      url: `http://${host}/v2/bench/manifests/t${i}`,
      header: `Accept: ${mediaTypes.ociManifest}`,
      output: "/dev/null",
    })),
    parallel,
  );

/** Transfers side by side; fails where one does. */
async function curl(
  scratch: string,
  transfers: readonly Readonly<Record<string, string>>[],
  atOnce: number,
): Promise<void> {
  const config = join(scratch, `curl-${process.pid}`);
  const sections = transfers.map((transfer) =>
    [
      ...Object.entries({ ...("output" in transfer ? {} : { output: "/dev/null" }), ...transfer }),
      // Answers are waited for, not asked for: docker-registry has no use for `Expect: 100-continue` either.
    ]
      .map(([name, value]) => `${name} = "${value}"`)
      .concat('header = "Expect:"', "fail", "silent", "show-error")
      .join("\n"),
  );
  writeFileSync(config, sections.join("\nnext\n"));
  try {
    await promisify(execFile)("curl", [
      "--parallel",
      "--parallel-immediate",
      "--parallel-max",
      String(atOnce),
      "--config",
      config,
    ]);
  } finally {
    rmSync(config);
  }
}

async function start(
  servers: ChildProcess[],
  command: (host: string) => readonly [string, ...string[]] | string[],
): Promise<{ host: string; pid: number }> {
  const host = `127.0.0.1:${await freePort()}`;
  const [program = "", ...args] = command(host);
  const server = spawn(program, args, { stdio: ["ignore", "ignore", "inherit"] });
  // It must not keep this process, whose end is its own.
  server.unref();
  servers.push(server);
  for (let tries = 0; tries < 200; tries += 1) {
    const answer = await fetch(`http://${host}/v2/`).catch(() => undefined);
    if (answer?.ok && server.pid !== undefined) return { host, pid: server.pid };
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${program} does not answer on ${host}`);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

function demandMemory(pid: number): void {
  const path = `/proc/${pid}/status`;
  if (!existsSync(path)) return;
  const peak = Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(path, "utf8"))?.[1]);
  if (peak > memoryLimit) throw new Error(`the registry took ${peak} KiB, more than ${memoryLimit}`);
}
