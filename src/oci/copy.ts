import { utf8 } from "../base/bytes.js";
import { type Call, checkInterrupted } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { mapLimited } from "../base/limit.js";
import { contentOf } from "./content.js";
import type { Descriptor } from "./descriptor.js";
import type { Digest } from "./digest.js";
import { decodeImageIndex, decodeImageManifest, encodeManifest } from "./manifest.js";
import { isImageIndex, isNondistributable } from "./media-types.js";
import { type Tag, tagOf } from "./reference.js";
import type { Manifest, Repository } from "./repository.js";
import { observed } from "./verified.js";

export interface CopyOptions extends Call {
  /** What to copy. */
  readonly reference: Tag | Digest;
  /** The tag it gets; without one it is stored by digest only. */
  readonly tag?: Tag | undefined;
  /** Blobs copied at once. */
  readonly limit?: number | undefined;
  /** Also what refers to it (signatures, attestations, SBOMs). */
  readonly referrers?: boolean | undefined;
}

/** An index of indices of indices: deeper is no image that anyone builds. */
const maxDepth = 4;

/**
 * Copies a manifest with all it needs, leaves first, so that the destination never names what it lacks.
 * Between repositories of one registry blobs are mounted. Layers that may not be passed on are named, not copied.
 * @returns the descriptor of what was copied
 * @throws Failure `oci.manifest-missing`, `oci.too-deep`
 */
export async function copy(from: Repository, to: Repository, options: CopyOptions): Promise<Descriptor> {
  const top = await demandManifest(from, options.reference, options);
  await copyManifest(top, {
    from,
    to,
    limit: options.limit ?? 6,
    copied: new Set(),
    call: { signal: options.signal, report: options.report },
    tag: options.tag,
    referrers: options.referrers ?? false,
    depth: 0,
  });
  return top.descriptor;
}

interface Copying {
  readonly from: Repository;
  readonly to: Repository;
  readonly limit: number;
  /** Each blob once, however many manifests share it. */
  readonly copied: Set<Digest>;
  readonly call: Call;
  readonly tag: Tag | undefined;
  readonly referrers: boolean;
  readonly depth: number;
}

async function copyManifest(manifest: Manifest, copying: Copying): Promise<void> {
  const { from, to, call, depth } = copying;
  const { digest, mediaType } = manifest.descriptor;
  checkInterrupted(call);
  if (depth > maxDepth)
    throw new Failure("corrupt", `${from.label}@${digest} is nested more than ${maxDepth} deep`, {
      code: "oci.too-deep",
      subject: `${from.label}@${digest}`,
    });
  if (isImageIndex(mediaType))
    for (const child of decodeImageIndex(manifest).manifests) await copyChild(child, copying);
  else {
    const { config, layers } = decodeImageManifest(manifest);
    const passedOn = layers.filter((layer) => !isNondistributable(layer.mediaType));
    const blobs = new Map([config, ...passedOn].map((blob) => [blob.digest, blob]));
    await mapLimited(blobs.values(), copying.limit, (blob) => copyBlob(blob, copying));
  }
  const { tag, referrers } = copying;
  if (tag === undefined || referrers) await to.manifests.write(manifest, call);
  if (referrers) {
    for (const referrer of await from.referrers(digest, call)) await copyChild(referrer, copying);
    for (const kind of companions) await copyCompanion(tagOf(`${digest.replace(":", "-")}.${kind}`), copying);
  }
  // Last: nobody reads by it what lacks its signatures, and a copy that was ended before is seen to be none.
  if (tag !== undefined) await to.manifests.write(manifest, { ...call, tag });
}

/** What cosign 1 and 2 keep under tags made of a digest: signatures, attestations, SBOMs. */
const companions = ["sig", "att", "sbom"];

/** What the destination has below such a tag stays: somebody may have signed there, too. */
async function copyCompanion(tag: Tag, copying: Copying): Promise<void> {
  const { from, to, call, depth } = copying;
  const manifest = await from.manifests.read(tag, call);
  if (manifest === undefined) return;
  const there = await to.manifests.read(tag, call);
  if (there?.descriptor.digest === manifest.descriptor.digest) return;
  if (there === undefined) {
    await copyManifest(manifest, { ...copying, tag, referrers: false, depth: depth + 1 });
    return;
  }
  const kept = decodeImageManifest(there).layers;
  const image = decodeImageManifest(manifest);
  const added = image.layers.filter((layer) => !kept.some((one) => isSame(one, layer)));
  if (added.length === 0) return;
  for (const layer of added) await copyBlob(layer, copying);
  const layers = [...kept, ...added];
  const diffIds = layers.map(({ digest }) => digest);
  const rootfs = { type: "layers", diff_ids: diffIds };
  const config = contentOf(
    utf8(JSON.stringify({ architecture: "", os: "", config: {}, rootfs })),
    image.config.mediaType,
  );
  await to.blobs.write(config, call);
  await to.manifests.write(encodeManifest({ ...image, config: config.descriptor, layers }), { ...call, tag });
}

/** Signatures of one payload differ in their annotations alone. */
const isSame = (a: Descriptor, b: Descriptor): boolean =>
  a.digest === b.digest && JSON.stringify(a.annotations) === JSON.stringify(b.annotations);

async function copyChild(child: Descriptor, copying: Copying): Promise<void> {
  const manifest = await demandManifest(copying.from, child.digest, copying.call);
  await copyManifest(manifest, { ...copying, tag: undefined, depth: copying.depth + 1 });
}

async function copyBlob(descriptor: Descriptor, { from, to, call, copied }: Copying): Promise<void> {
  checkInterrupted(call);
  if (copied.has(descriptor.digest)) return;
  const task = {
    id: descriptor.digest,
    verb: "copy" as const,
    subject: descriptor.digest.slice(0, 19),
    bytes: descriptor.size,
  };
  call.report?.({ type: "started", task });
  const outcome = await to.blobs.write(
    {
      descriptor,
      open: (inner) =>
        observed(from.blobs.read(descriptor, inner), ({ byteLength }) =>
          call.report?.({ type: "advanced", task, bytes: byteLength }),
        ),
    },
    from.registry === to.registry ? { ...call, from: from.name } : call,
  );
  copied.add(descriptor.digest);
  call.report?.({ type: "finished", task, outcome });
}

/** @throws Failure `oci.manifest-missing` */
export async function demandManifest(
  repository: Repository,
  reference: Tag | Digest,
  call?: Call,
): Promise<Manifest> {
  const manifest = await repository.manifests.read(reference, call);
  if (manifest !== undefined) return manifest;
  const subject = `${repository.label}${reference.includes(":") ? "@" : ":"}${reference}`;
  throw new Failure("not-found", `${subject} does not exist`, { code: "oci.manifest-missing", subject });
}
