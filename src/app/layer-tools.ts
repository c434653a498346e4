import { createReadStream } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { hasZstd, zstdMissing } from "../archive/zstd.js";
import { utf8 } from "../base/bytes.js";
import type { Call } from "../base/call.js";
import { decodeObject, integerAt, stringAt } from "../base/decode.js";
import { Failure } from "../base/failure.js";
import { decodeScan, encodeScan, type LayerScan } from "../image/layer-scan.js";
import type { LayerContent, LayerTools } from "../image/layer-tools.js";
import { writeAtomically } from "../io/disk/atomic.js";
import { systemCodeOf } from "../io/disk/disk-failure.js";
import { keepLastUsed, markUsed } from "../io/disk/last-used.js";
import { openBlobCache } from "../io/install/blob-cache.js";
import type { LayerFile } from "../io/workers/layer-tasks.js";
import type { Workers } from "../io/workers/pool.js";
import { type Digest, digestOf, hexOf, parseDigest } from "../oci/digest.js";
import { mediaTypes } from "../oci/media-types.js";

/**
 * Looks into layers and merges them in worker threads. Layers are fetched into the cache that installs use; what was
 * found in a layer, and what layers make together, is remembered beside it.
 */
export function createLayerTools(workers: Workers, cacheRoot: string): LayerTools {
  const blobs = openBlobCache(cacheRoot);
  const scans = new Map<Digest, Promise<LayerScan>>();
  const scratch = join(cacheRoot, "scratch");
  const pruned = new Set<string>();
  const keep = async (path: string, bytes: Uint8Array): Promise<void> => {
    const directory = dirname(path);
    await mkdir(directory, { recursive: true });
    await writeAtomically(path, bytes);
    if (pruned.has(directory)) return;
    pruned.add(directory);
    await keepLastUsed(directory, keptLimit);
  };
  let files = 0;
  const scratchFile = async (): Promise<string> => {
    await mkdir(scratch, { recursive: true });
    return join(scratch, `${process.pid}-${files++}`);
  };

  async function fileOf(layer: LayerContent, call?: Call): Promise<LayerFile> {
    const { mediaType, digest, size } = layer.descriptor;
    if (layer.file !== undefined)
      return { path: layer.file, subject: `layer ${digest}`, diffId: layer.diffId };
    // Told before it is downloaded.
    if (mediaType === mediaTypes.ociLayerZstd && !hasZstd)
      throw zstdMissing(`cannot look into layer ${digest}: it is compressed with zstd`);
    const task = {
      id: `fetch ${digest}`,
      verb: "download",
      subject: digest.slice(0, 19),
      bytes: size,
    } as const;
    call?.report?.({ type: "started", task });
    const advanced = (bytes: number): void => call?.report?.({ type: "advanced", task, bytes });
    const { path, cached } = await blobs.obtain(layer, { ...call, advanced });
    call?.report?.({ type: "finished", task, outcome: cached ? "cached" : "fetched" });
    return { path, subject: `layer ${digest}`, diffId: layer.diffId };
  }

  /** A damaged blob of the right size must not be found again. */
  async function forgetting<T>(layers: readonly LayerContent[], work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof Failure && error.kind === "corrupt")
        for (const layer of layers) await blobs.forget(layer);
      throw error;
    }
  }

  async function scanned(layer: LayerContent, call?: Call): Promise<LayerScan> {
    const kept = join(cacheRoot, "scans", `${hexOf(layer.descriptor.digest)}.json`);
    const known = decodeKept(await readKept(kept), (json) => decodeScan(json, kept));
    if (known !== undefined) return known;
    const file = await fileOf(layer, call);
    const input = { ...file, scratch: await scratchFile() };
    const scan = await forgetting([layer], () => workers.run("scan", input, call));
    await keep(kept, encodeScan(scan));
    return scan;
  }

  return {
    scan(layer, call) {
      const { digest } = layer.descriptor;
      const scan = scans.get(digest) ?? scanned(layer, call);
      scans.set(digest, scan);
      return scan;
    },
    async merge(layers, call) {
      const written: string[] = [];
      const run = async (): Promise<{ path: string; summary: MergedSummary }> => {
        const inputs: LayerFile[] = [];
        for (const layer of layers) inputs.push(await fileOf(layer, call));
        const path = await scratchFile();
        const { digest, size, diffId } = await forgetting(layers, () =>
          workers.run("merge", { layers: inputs, out: path }, call),
        );
        written.push(path);
        return { path, summary: { digest: parseDigest(digest), size, diffId: parseDigest(diffId) } };
      };
      const key = hexOf(digestOf(utf8(layers.map(({ diffId }) => diffId).join("\n"))));
      const kept = join(cacheRoot, "merged", `${key}.json`);
      const known = decodeKept(await readKept(kept), (json) => decodeMerged(json, kept));
      const made = known === undefined ? await run() : undefined;
      const summary = made?.summary ?? known;
      if (summary === undefined) throw new Error("a merge without a summary");
      if (made !== undefined) await keep(kept, utf8(JSON.stringify({ version: mergeVersion, ...summary })));
      return {
        content: {
          descriptor: { mediaType: mediaTypes.ociLayerGzip, digest: summary.digest, size: summary.size },
          diffId: summary.diffId,
          // What the registry has already is never merged again.
          open: async function* () {
            yield* createReadStream((made ?? (await run())).path, { highWaterMark: 1024 * 1024 });
          },
        },
        [Symbol.asyncDispose]: async () => {
          for (const path of written.splice(0)) await rm(path, { force: true });
        },
      };
    },
  };
}

/** Bytes of what was found in layers that are kept, and of what they make together: some kB for each layer. */
const keptLimit = 256 * 1024 * 1024;

/** Changes whenever merged layers do: older results then do not count. */
const mergeVersion = 1;

interface MergedSummary {
  readonly digest: Digest;
  readonly size: number;
  readonly diffId: Digest;
}

function decodeMerged(json: unknown, subject: string): MergedSummary | undefined {
  const place = { subject, code: "image.scan-broken", path: "" };
  const merged = decodeObject(json, place);
  if (merged["version"] !== mergeVersion) return undefined;
  return {
    digest: parseDigest(stringAt(merged, "digest", place)),
    size: integerAt(merged, "size", place),
    diffId: parseDigest(stringAt(merged, "diffId", place)),
  };
}

async function readKept(path: string): Promise<string | undefined> {
  try {
    const text = await readFile(path, "utf8");
    await markUsed(path);
    return text;
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** What was kept is only a saving: where it is damaged it is made again. */
function decodeKept<T>(text: string | undefined, decode: (json: unknown) => T | undefined): T | undefined {
  if (text === undefined) return undefined;
  try {
    return decode(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof Failure) return undefined;
    throw error;
  }
}
