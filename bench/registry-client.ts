// Our client beside skopeo: an image with 1 GiB in 8 layers from a layout to docker-registry, and back.
import { execFile, spawn, spawnSync } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { bytesOf, utf8 } from "../src/base/bytes.js";
import { openHttpClient } from "../src/io/http-client/http-client.js";
import { openLayout } from "../src/io/registry/layout.js";
import { openRemoteRepository } from "../src/io/registry/remote.js";
import { systemClock, systemRandom } from "../src/io/system/clock.js";
import { contentOf } from "../src/oci/content.js";
import { copy } from "../src/oci/copy.js";
import { encodeManifest } from "../src/oci/manifest.js";
import { mediaTypes } from "../src/oci/media-types.js";
import { parseRegistryUrl, parseTag } from "../src/oci/reference.js";
import type { Prepare } from "./harness.js";

const layers = 8;
const layerBytes = 128 * 1024 * 1024;
const rounds = 5;
const tag = parseTag("bench");

const self = fileURLToPath(import.meta.url);

// Started as a program, this file is the client that is timed: in a process of its own, as skopeo is.
if (process.argv[1] === self) {
  const [, , direction, directory = "", host = ""] = process.argv;
  await using client = openHttpClient({ clock: systemClock, random: systemRandom });
  const remote = openRemoteRepository(parseRegistryUrl(`oci+http://${host}/bench`), client);
  const local = await openLayout(directory, { create: true });
  const [from, to] = direction === "push" ? [local, remote] : [remote, local];
  await copy(from, to, { reference: tag, tag });
}

export const prepare: Prepare = async () => {
  if (
    spawnSync("skopeo", ["--version"]).status !== 0 ||
    spawnSync("docker-registry", ["--version"]).status !== 0
  ) {
    console.error("registry-client: skipped, skopeo or docker-registry is missing");
    return [];
  }
  const scratch = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "stowage-bench-"));
  const image = join(scratch, "image");
  await makeImage(image);
  const full = await startRegistry(scratch);
  // Each upload goes to a registry that has nothing yet: none of ours or of skopeo's can be mounted or skipped.
  const empty = await Promise.all(Array.from({ length: 2 * (rounds + 1) }, () => startRegistry(scratch)));
  process.on("exit", () => {
    for (const registry of [full, ...empty]) registry.stop();
    rmSync(scratch, { recursive: true, force: true });
  });
  await stowage("push", image, full.host);

  let used: TimedRegistry | undefined;
  const next = (): string => {
    used = empty.shift();
    if (used === undefined) throw new Error("more rounds than registries");
    return used.host;
  };
  const pulled = join(scratch, "pulled");
  const common = { count: layers * layerBytes, unit: "bytes", rounds, goal: { timesPeer: 1 } };
  return [
    {
      name: "push an image of 1 GiB",
      run: () => stowage("push", image, next()),
      peer: {
        name: "skopeo copy",
        run: () => skopeo(`oci:${image}:${tag}`, `docker://${next()}/bench:${tag}`),
      },
      reset: () => used?.stop(),
      ...common,
    },
    {
      name: "pull an image of 1 GiB",
      run: () => stowage("pull", pulled, full.host),
      peer: {
        name: "skopeo copy",
        run: () => skopeo(`docker://${full.host}/bench:${tag}`, `oci:${pulled}:${tag}`),
      },
      reset: () => rmSync(pulled, { recursive: true, force: true }),
      ...common,
    },
  ];
};

const stowage = (direction: "push" | "pull", directory: string, host: string): Promise<unknown> =>
  promisify(execFile)(process.execPath, [self, direction, directory, host]);

const skopeo = (from: string, to: string): Promise<unknown> =>
  promisify(execFile)("skopeo", [
    "copy",
    "--preserve-digests",
    "--insecure-policy",
    "--src-tls-verify=false",
    "--dest-tls-verify=false",
    from,
    to,
  ]);

async function makeImage(directory: string): Promise<void> {
  const { blobs, manifests } = await openLayout(directory, { create: true });
  const written = [];
  for (let i = 0; i < layers; i += 1) {
    const bytes = randomFillSync(new Uint8Array(layerBytes));
    const layer = { ...contentOf(bytes, mediaTypes.ociLayer), open: () => bytesOf(bytes) };
    await blobs.write(layer);
    written.push(layer.descriptor);
  }
  const diff_ids = written.map(({ digest }) => digest);
  const config = contentOf(
    utf8(JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids } })),
    mediaTypes.ociConfig,
  );
  await blobs.write(config);
  const image = encodeManifest({
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: config.descriptor,
    layers: written,
  });
  await manifests.write(image, { tag });
}

interface TimedRegistry {
  readonly host: string;
  stop(): void;
}

async function startRegistry(scratch: string): Promise<TimedRegistry> {
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const root = join(scratch, `registry-${port}`);
  mkdirSync(root);
  const config = join(root, "config.yml");
  // YAML holds JSON.
  writeFileSync(
    config,
    JSON.stringify({
      version: 0.1,
      log: { level: "error" },
      storage: { filesystem: { rootdirectory: join(root, "data") } },
      http: { addr: host },
    }),
  );
  const child = spawn("docker-registry", ["serve", config], { stdio: "ignore" });
  // It is stopped when this process ends, and does not keep it from ending.
  child.unref();
  for (let tries = 0; ; tries += 1) {
    const answer = await fetch(`http://${host}/v2/`).catch((error: unknown) => error);
    if (answer instanceof Response) break;
    if (tries === 100) throw new Error(`docker-registry does not come up at ${host}`, { cause: answer });
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    host,
    stop() {
      child.kill("SIGKILL");
      rmSync(root, { recursive: true, force: true });
    },
  };
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() =>
        address !== null && typeof address === "object"
          ? resolve(address.port)
          : reject(new Error("no port")),
      );
    });
  });
