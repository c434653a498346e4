import { type Call, checkInterrupted } from "../base/call.js";
import type { Digest } from "../oci/digest.js";
import type { BaseImage } from "./base-image.js";
import { capLayers } from "./layer-cap.js";
import type { LayerContent, LayerTools, MergedLayer } from "./layer-tools.js";

export interface FitOptions extends Call {
  readonly base?: BaseImage | undefined;
  /** The base's layers included. */
  readonly maxLayers: number;
  /** Tells how many packages need a layer: those that most need stay by themselves. Asked only past the cap. */
  readonly popularity: () => Promise<(digest: Digest) => number>;
  readonly tools: LayerTools;
}

export interface FittedLayer {
  readonly content: LayerContent;
  /** Made of several, and nowhere yet. */
  readonly merged: boolean;
}

/** Layers that fit into an image; those that were merged are there until disposed. */
export interface FittedLayers extends AsyncDisposable {
  readonly layers: readonly FittedLayer[];
}

/**
 * Merges layers so that an image keeps under its cap; below it all stay as they are.
 * @throws Failure `image.too-many-layers`
 */
export async function fitLayers(
  layers: readonly LayerContent[],
  { base, maxLayers, popularity, tools, ...call }: FitOptions,
): Promise<FittedLayers> {
  const baseLayers = base?.layers.length ?? 0;
  const fits = baseLayers + layers.length <= maxLayers;
  const groups = fits
    ? layers.map((layer) => [layer] as const)
    : capLayers(layers, { maxLayers, baseLayers, popularity: await popularity() });
  const merged: MergedLayer[] = [];
  const dispose = async (): Promise<void> => {
    for (const layer of merged.splice(0)) await layer[Symbol.asyncDispose]();
  };
  try {
    const fitted: FittedLayer[] = [];
    for (const group of groups) {
      checkInterrupted(call);
      if (group.length === 1) fitted.push({ content: group[0], merged: false });
      else {
        const layer = await tools.merge(group, call);
        merged.push(layer);
        fitted.push({ content: layer.content, merged: true });
      }
    }
    return { layers: fitted, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}
