// Our registry beside Debian's docker-registry: 1 GiB in 8 blobs and 5,000 small manifests, up and down, by curl.
import { randomFillSync } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { utf8 } from "../src/base/bytes.js";
import { digestOf } from "../src/oci/digest.js";
import { mediaTypes } from "../src/oci/media-types.js";
import type { Prepare } from "./harness.js";
import { isInstalled, type Spent, spend } from "./support/command.js";
import { startDockerRegistry, startOurRegistry } from "./support/registries.js";
import { scratchFolder } from "./support/scratch.js";

const blobs = 8;
/** Connections at once for manifests. */
const parallel = 16;
/** What the server's process may take, in bytes. */
const memoryLimit = 120 * 2 ** 20;

export const prepare: Prepare = async ({ short }) => {
  const blobBytes = (short ? 1 : 128) * 1024 * 1024;
  const manifests = short ? 50 : 5000;
  const scratch = scratchFolder();
  const files = makeFiles(scratch, { blobBytes, manifests });
  const ours = await startOurRegistry(join(scratch, "ours"));
  const theirs = isInstalled("docker-registry") ? await startDockerRegistry(join(scratch, "theirs")) : ours;
  const against = (run: (host: string) => Promise<Spent>) => ({
    // curl takes the same for both: the time until it has all is compared, and what memory the servers took so far.
    run: async () => ({ ...(await run(ours.host)), memory: peakMemory(ours.pid) }),
    peer: {
      name: "docker-registry",
      program: "docker-registry",
      run: async () => ({ ...(await run(theirs.host)), memory: peakMemory(theirs.pid) }),
    },
    demands: [{ times: 1 }, { memory: memoryLimit }],
  });
  const size = `${(blobs * blobBytes) / 2 ** 20} MiB`;
  return [
    {
      name: `upload ${size}`,
      ...against((host) => pushBlobs(host, files)),
      count: blobs * blobBytes,
      unit: "bytes",
    },
    {
      name: `download ${size}`,
      ...against((host) => pullBlobs(host, files)),
      count: blobs * blobBytes,
      unit: "bytes",
    },
    {
      name: `upload ${manifests} manifests`,
      ...against((host) => pushManifests(host, files)),
      count: manifests,
      unit: "manifests",
    },
    {
      name: `download ${manifests} manifests`,
      ...against((host) => pullManifests(host, files)),
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

function makeFiles(
  scratch: string,
  { blobBytes, manifests }: { readonly blobBytes: number; readonly manifests: number },
): Files {
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

async function pushBlobs(host: string, { blobs: all, scratch }: Files): Promise<Spent> {
  const transfers = await Promise.all(
    all.map(async ({ path, digest }) => ({ "upload-file": path, url: await uploadUrl(host, digest) })),
  );
  return await curl(scratch, transfers, blobs);
}

async function uploadUrl(host: string, digest: string): Promise<string> {
  const started = await fetch(`http://${host}/v2/bench/blobs/uploads/`, { method: "POST" });
  const url = new URL(started.headers.get("location") ?? "", `http://${host}`);
  url.searchParams.set("digest", digest);
  return url.href;
}

const pullBlobs = (host: string, { blobs: all, scratch }: Files): Promise<Spent> =>
  curl(
    scratch,
    all.map(({ digest }) => ({ url: `http://${host}/v2/bench/blobs/${digest}`, output: "/dev/null" })),
    blobs,
  );

async function pushManifests(host: string, { manifests: all, scratch }: Files): Promise<Spent> {
  await fetch(await uploadUrl(host, digestOf(utf8("{}"))), { method: "PUT", body: "{}" });
  const header = `Content-Type: ${mediaTypes.ociManifest}`;
  return await curl(
    scratch,
    all.map((path, i) => ({ "upload-file": path, url: `http://${host}/v2/bench/manifests/t${i}`, header })),
    parallel,
  );
}

const pullManifests = (host: string, { manifests: all, scratch }: Files): Promise<Spent> =>
  curl(
    scratch,
    all.map((_, i) => ({
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
): Promise<Spent> {
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
    return await spend([
      "curl",
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

/** In bytes, since the process began. */
function peakMemory(pid: number | undefined): number | undefined {
  const path = `/proc/${pid}/status`;
  if (!existsSync(path)) return undefined;
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(path, "utf8"))?.[1]) * 1024;
}
