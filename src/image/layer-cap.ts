import { Failure } from "../base/failure.js";
import type { Descriptor } from "../oci/descriptor.js";
import type { Digest } from "../oci/digest.js";

/**
 * Layers of an image, unless told otherwise. Overlay file systems stop mounting somewhere past 120 (the mount
 * options must fit into one page of 4 KiB); 100 leaves room for those who build on the image.
 */
export const defaultMaxLayers = 100;

/** A layer of its own, or several to be merged into one. */
export type LayerGroup<Layer> = readonly [Layer, ...Layer[]];

export interface LayerCap {
  readonly maxLayers: number;
  /** Layers of the base image, which stay as they are. */
  readonly baseLayers: number;
  /** How many packages of the cache need a layer: those that most need stay shared. */
  readonly popularity: (digest: Digest) => number;
}

/**
 * Decides which layers of an image are merged so that it keeps under the cap.
 *
 * The package's own layer, the last, always stays: Spack installs from it. Of the others the most needed keep
 * layers of their own; the rest becomes one layer, in place of the lowest of them. Equal input gives equal
 * groups, so images of the same packages share the merged layer, too.
 *
 * @throws Failure `image.too-many-layers` where the base leaves no room
 */
export function capLayers<Layer extends { readonly descriptor: Descriptor }>(
  layers: readonly Layer[],
  { maxLayers, baseLayers, popularity }: LayerCap,
): LayerGroup<Layer>[] {
  const alone = (layer: Layer): LayerGroup<Layer> => [layer];
  if (baseLayers + layers.length <= maxLayers) return layers.map(alone);
  const own = layers.at(-1);
  const room = maxLayers - baseLayers - 1;
  if (own === undefined || room < 1)
    throw new Failure(
      "unsupported",
      `the base image has ${baseLayers} layers, and the image may have ${maxLayers}`,
      {
        code: "image.too-many-layers",
        hint: "Allow more with --max-layers, or choose a base image of fewer layers.",
      },
    );
  const others = layers.slice(0, -1);
  const ranked = [...others].sort(
    (a, b) =>
      popularity(b.descriptor.digest) - popularity(a.descriptor.digest) ||
      (a.descriptor.digest < b.descriptor.digest ? -1 : 1),
  );
  const kept = new Set(ranked.slice(0, room - 1));
  const merged = others.filter((layer) => !kept.has(layer));
  const groups: LayerGroup<Layer>[] = [];
  for (const layer of others) {
    if (kept.has(layer)) groups.push(alone(layer));
    else if (layer === merged[0]) groups.push(merged as [Layer, ...Layer[]]);
  }
  return [...groups, alone(own)];
}
