import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { Clock } from "../../base/clock.js";
import { type Digest, isDigest } from "../../oci/digest.js";
import { systemCodeOf } from "../disk/disk-failure.js";
import { blobPathOf, newPathOf, sharedPathOf } from "./root.js";

/*
 * A blob is one file, however many repositories hold it: _blobs has it, and they have hard links to it. Its
 * time of modification is when it was last pushed, mounted or claimed. All of this is synchronous: no request
 * comes between a look and the act.
 */

/** Moves a finished upload in among the shared blobs, unless it is there, and links it into a layout. */
export function adoptBlob(file: string, { digest, root, layout, clock }: BlobPlace): void {
  const shared = sharedPathOf(root, digest);
  if (statSync(shared, { throwIfNoEntry: false })?.size === statSync(file).size) {
    rmSync(file);
    touch(shared, clock);
  } else {
    mkdirSync(dirname(shared), { recursive: true });
    renameSync(file, shared);
  }
  linkBlob(shared, { digest, root, layout, clock });
}

export interface BlobPlace {
  readonly digest: Digest;
  readonly root: string;
  readonly layout: string;
  readonly clock: Pick<Clock, "now">;
}

/** Gives a layout a blob that another has. */
export function linkBlob(source: string, { digest, root, layout, clock }: BlobPlace): void {
  const target = blobPathOf(layout, digest);
  mkdirSync(dirname(target), { recursive: true });
  try {
    linkSync(source, target);
  } catch (error) {
    const code = systemCodeOf(error) ?? "";
    if (!["EEXIST", "EMLINK", "EPERM", "ENOTSUP"].includes(code)) throw error;
    if (code !== "EEXIST") {
      // The file has as many links as it may have, or the file system knows none: then it is a copy.
      const copy = newPathOf(root);
      copyFileSync(source, copy);
      renameSync(copy, target);
    }
  }
  touch(target, clock);
}

/** Makes a blob as new as one that was just pushed. */
export function touch(path: string, clock: Pick<Clock, "now">): void {
  const now = clock.now() / 1000;
  utimesSync(path, now, now);
}

/** Removes a blob from a layout, and altogether where no other has it; false where it was not there. */
export function removeBlob({ digest, root, layout }: Omit<BlobPlace, "clock">): boolean {
  const path = blobPathOf(layout, digest);
  if (!existsSync(path)) return false;
  rmSync(path);
  const shared = sharedPathOf(root, digest);
  if (statSync(shared, { throwIfNoEntry: false })?.nlink === 1) rmSync(shared);
  return true;
}

/** The digests that a directory of blobs has files of. */
export function digestsIn(blobs: string): readonly Digest[] {
  return ["sha256", "sha512"].flatMap((algorithm) => {
    const directory = join(blobs, algorithm);
    const names = existsSync(directory) ? readdirSync(directory) : [];
    return names.map((name) => `${algorithm}:${name}`).filter(isDigest);
  });
}
