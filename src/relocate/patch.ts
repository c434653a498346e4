import type { ByteSource } from "./byte-source.js";

/** Bytes to be written at an offset of a file; past its end they make it longer. */
export interface Patch {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

const endOf = (patch: Patch): number => patch.offset + patch.bytes.length;

/** A copy of `bytes` with patches written over it, the last one winning; gaps past the end are zero. */
export function applyPatches(bytes: Uint8Array, patches: readonly Patch[]): Uint8Array {
  const patched = new Uint8Array(patches.reduce((size, patch) => Math.max(size, endOf(patch)), bytes.length));
  patched.set(bytes);
  for (const patch of patches) patched.set(patch.bytes, patch.offset);
  return patched;
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
