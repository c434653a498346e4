import { expect, test } from "vitest";
import { utf8 } from "../base/bytes.js";
import type { Layer } from "../buildcache/entry.js";
import { type Digest, digestOf } from "../oci/digest.js";
import { capLayers } from "./layer-cap.js";

const layers = Array.from({ length: 10 }, (_, i): Layer => {
  const digest = digestOf(utf8(`layer ${i}`));
  return { descriptor: { mediaType: "layer", digest, size: i }, diffId: digest };
});
/** Higher layers are needed more. */
const popularity = (digest: Digest): number =>
  layers.findIndex((layer) => layer.descriptor.digest === digest);
const sizes = (groups: readonly (readonly Layer[])[]): number[][] =>
  groups.map((g) => g.map((l) => l.descriptor.size));

test("below the cap every layer stays alone", () => {
  const groups = capLayers(layers, { maxLayers: 12, baseLayers: 2, popularity });
  expect(sizes(groups)).toEqual(layers.map((layer) => [layer.descriptor.size]));
});

test("past it the least needed are merged, and the package's own layer stays last", () => {
  const groups = capLayers(layers, { maxLayers: 6, baseLayers: 1, popularity });
  expect(sizes(groups)).toEqual([[0, 1, 2, 3, 4, 5], [6], [7], [8], [9]]);
});

test("no layer is lost and the cap is kept, whatever it is", () => {
  for (let maxLayers = 3; maxLayers < 15; maxLayers += 1) {
    const groups = capLayers(layers, { maxLayers, baseLayers: 1, popularity: () => 1 });
    expect(groups.length + 1).toBeLessThanOrEqual(maxLayers);
    expect(
      groups
        .flat()
        .map((l) => l.descriptor.size)
        .sort((a, b) => a - b),
    ).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(sizes(groups).at(-1)).toEqual([9]);
  }
});

test("a base that leaves no room is refused", () => {
  expect(() => capLayers(layers, { maxLayers: 5, baseLayers: 4, popularity })).toThrow(
    /base image has 4 layers/,
  );
});
