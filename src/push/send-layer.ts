import { type Call, checkInterrupted } from "../base/call.js";
import type { Task } from "../base/progress.js";
import type { Layer } from "../buildcache/entry.js";
import type { BlobStore } from "../oci/repository.js";
import type { PackedLayer, Packer, PackRequest } from "./packer.js";
import type { PlannedPackage } from "./plan.js";
import { short } from "./run.js";

/** What tarballs are made with. */
export interface Packing extends Call {
  readonly storeRoot: string;
  /** Where Spack lives, as `binary_distribution` records it; the store root where there is none. */
  readonly spackPrefix?: string | undefined;
  readonly packer: Packer;
}

export interface SendOptions extends Packing, Pick<PackRequest, "prefixes"> {
  readonly task: Task | undefined;
  /** Called with what was packed, before it is sent. */
  readonly packed?: ((layer: PackedLayer) => Promise<void>) | undefined;
}

/** Packs a package and sends its tarball, where the mirror does not have it yet. */
export async function sendLayer(
  { spec, prefix }: PlannedPackage,
  blobs: BlobStore,
  { storeRoot, spackPrefix = storeRoot, packer, prefixes, task, packed: seen, ...call }: SendOptions,
): Promise<Layer> {
  checkInterrupted(call);
  if (task !== undefined) call.report?.({ type: "started", task });
  const request = { hash: spec.hash, subject: short(spec), prefix, storeRoot, spackPrefix, prefixes };
  const known = await packer.recall(request, call);
  if (known !== undefined) {
    // Made before, and sent: what names it was deleted, or a push ended before that was written.
    const size = await blobs.stat(known.descriptor.digest, call);
    if (size === known.descriptor.size) return known;
  }
  await using packed = await packer.pack(request, {
    ...call,
    advanced: (bytes) => task && call.report?.({ type: "advanced", task, bytes }),
  });
  await seen?.(packed);
  await blobs.write(packed.content, call);
  const { content, diffId, compressor } = packed;
  return { descriptor: content.descriptor, diffId, compressor };
}
