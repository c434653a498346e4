import type { ByteSource } from "./byte-source.js";

/** Bytes to be written at an offset of a file; past its end they make it longer. */
export interface Patch {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

const endOf = (patch: Patch): number => patch.offset + patch.bytes.length;

const sizeAfter = (bytes: Uint8Array, patches: readonly Patch[]): number =>
  patches.reduce((size, patch) => Math.max(size, endOf(patch)), bytes.length);

/** A copy of `bytes` with patches written over it, the last one winning; gaps past the end are zero. */
export function applyPatches(bytes: Uint8Array, patches: readonly Patch[]): Uint8Array {
  return copyPatched(bytes, patches, new Uint8Array(sizeAfter(bytes, patches)));
}

/**
 * The same without new memory for each file: over `bytes` itself, or, where they make it longer, over a copy in what
 * `room` gives, whatever that holds.
 */
export function patchOver(
  bytes: Uint8Array,
  patches: readonly Patch[],
  room: (size: number) => Uint8Array,
): Uint8Array {
  const size = sizeAfter(bytes, patches);
  return copyPatched(bytes, patches, size === bytes.length ? bytes : room(size));
}

function copyPatched(bytes: Uint8Array, patches: readonly Patch[], to: Uint8Array): Uint8Array {
  if (to !== bytes) {
    to.set(bytes);
    to.fill(0, bytes.length);
  }
  for (const patch of patches) to.set(patch.bytes, patch.offset);
  return to;
}

/** The range [start, end) of the file as it is after the patches, without copying the rest of it. */
export function patchedRange(
  source: ByteSource,
  patches: readonly Patch[],
  [start, end]: readonly [number, number],
): Uint8Array {
  const inside = patches
    .map((patch) => {
      const from = Math.max(patch.offset, start);
      const to = Math.min(endOf(patch), end);
      return {
        offset: from - start,
        bytes: patch.bytes.subarray(from - patch.offset, to - patch.offset),
        from,
        to,
      };
    })
    .filter(({ from, to }) => from < to);
  return applyPatches(source.read(start, end - start), inside);
}
