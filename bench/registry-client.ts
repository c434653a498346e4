// Our client beside skopeo: an image with 1 GiB in 8 layers from a layout to docker-registry, and back.
import { randomFillSync } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setV8Flags } from "../scripts/v8-flags.mjs";
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
import { isInstalled, type Spent, spend } from "./support/command.js";
import { startDockerRegistry } from "./support/registries.js";
import { scratchFolder } from "./support/scratch.js";

const layers = 8;
const rounds = 5;
const tag = parseTag("bench");

const self = fileURLToPath(import.meta.url);

// Started as a program, this file is the client that is timed: in a process of its own, as skopeo is, and with V8 as the
// command line sets it.
if (process.argv[1] === self) {
  setV8Flags();
  const [, , direction, directory = "", host = ""] = process.argv;
  await using client = openHttpClient({ clock: systemClock, random: systemRandom });
  const remote = openRemoteRepository(parseRegistryUrl(`oci+http://${host}/bench`), client);
  const local = await openLayout(directory, { create: true });
  const [from, to] = direction === "push" ? [local, remote] : [remote, local];
  await copy(from, to, { reference: tag, tag });
}

export const prepare: Prepare = async ({ short }) => {
  if (!isInstalled("docker-registry")) {
    console.error("registry-client: skipped, docker-registry is missing");
    return [];
  }
  const layerBytes = (short ? 1 : 128) * 1024 * 1024;
  const scratch = scratchFolder();
  const image = join(scratch, "image");
  await makeImage(image, layerBytes);
  const another = () => startDockerRegistry(mkdtempSync(join(scratch, "registry-")));
  const full = await another();
  await client("push", image, full.host);
  // Each upload goes to a registry that has nothing yet: none of ours or of skopeo's can be mounted or skipped.
  let empty = await another();
  const pulled = join(scratch, "pulled");
  const common = { count: layers * layerBytes, unit: "bytes", rounds, demands: [{ times: 1 }] };
  const size = `${(layers * layerBytes) / 2 ** 20} MiB`;
  return [
    {
      name: `push an image of ${size}`,
      run: () => client("push", image, empty.host),
      peer: {
        name: "skopeo copy",
        program: "skopeo",
        run: () => skopeo(`oci:${image}:${tag}`, `docker://${empty.host}/bench:${tag}`),
      },
      reset: async () => {
        empty.stop();
        empty = await another();
      },
      ...common,
    },
    {
      name: `pull an image of ${size}`,
      run: () => client("pull", pulled, full.host),
      peer: {
        name: "skopeo copy",
        program: "skopeo",
        run: () => skopeo(`docker://${full.host}/bench:${tag}`, `oci:${pulled}:${tag}`),
      },
      reset: () => rmSync(pulled, { recursive: true, force: true }),
      ...common,
    },
  ];
};

const client = (direction: "push" | "pull", directory: string, host: string): Promise<Spent> =>
  spend([process.execPath, self, direction, directory, host]);

const skopeo = (from: string, to: string): Promise<Spent> =>
  spend([
    "skopeo",
    "copy",
    "--preserve-digests",
    "--insecure-policy",
    "--src-tls-verify=false",
    "--dest-tls-verify=false",
    from,
    to,
  ]);

async function makeImage(directory: string, layerBytes: number): Promise<void> {
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
