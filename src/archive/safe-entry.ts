import { Failure, type FailureKind } from "../base/failure.js";
import { encodeFileName } from "../base/file-name.js";
import type { ReadTarEntry } from "./tar-reader.js";

export interface UnpackLimits {
  readonly entries: number;
  /** Bytes of the whole archive. */
  readonly size: number;
  /** Components of a name. */
  readonly depth: number;
  /** Bytes of a name or of a link's target (PATH_MAX). */
  readonly pathLength: number;
}

export const defaultUnpackLimits: UnpackLimits = {
  entries: 4_000_000,
  size: 2 ** 40,
  depth: 128,
  pathLength: 4095,
};

/** Bytes of one component of a name (NAME_MAX). */
const longestName = 255;

/** The failure for an entry that is not let in: `why` goes on after its name. */
export type Refuse = (name: string, refusal: { readonly code: string; readonly why: string }) => Failure;

export const refusing =
  (subject: string): Refuse =>
  (name, { code, why }) => {
    // What another file system could hold is not the archive's fault.
    const kind: FailureKind = code === "archive.name-collision" ? "unsupported" : "corrupt";
    const message = `refused to unpack ${subject}: entry ${JSON.stringify(name)} ${why}`;
    return new Failure(kind, message, { code, subject });
  };

/**
 * Checks what can be said of an entry alone.
 * @throws Failure `archive.entry-type`, `archive.unsafe-name`, `archive.unsafe-link`, `archive.too-deep`,
 *   `archive.name-too-long`, `archive.size-invalid`, `archive.special-mode`
 */
export function assertSafeEntry(read: ReadTarEntry, limits: UnpackLimits, refuse: Refuse): void {
  const { type, name, linkName } = read;
  if (type === "other")
    throw refuse(name, { code: "archive.entry-type", why: "is neither file, directory nor link" });
  assertSafeName(type === "directory" ? withoutSlash(name) : name);
  if (type !== "file" && read.size > 0)
    throw refuse(name, { code: "archive.size-invalid", why: "is no file but has content" });
  // Spack writes 0755 and 0644; all that is taken over is the owner's right to execute.
  if (type === "file" && (read.mode & 0o7000) !== 0)
    throw refuse(name, { code: "archive.special-mode", why: `has mode ${read.mode.toString(8)}` });
  if (type === "hardlink") assertSafeName(linkName);
  if (
    type === "symlink" &&
    (linkName === "" || linkName.includes("\0") || isLonger(linkName, limits.pathLength))
  )
    throw refuse(name, { code: "archive.unsafe-link", why: "is a link to no path" });

  function assertSafeName(path: string): void {
    if (path.startsWith("/"))
      throw refuse(name, { code: "archive.unsafe-name", why: "has an absolute name" });
    const parts = path.split("/");
    if (parts.some((part) => part === "" || part === "." || part === ".." || part.includes("\0")))
      throw refuse(name, { code: "archive.unsafe-name", why: "has a name that is no plain path" });
    if (parts.length > limits.depth)
      throw refuse(name, { code: "archive.too-deep", why: `is ${parts.length} directories deep` });
    if (isLonger(path, limits.pathLength) || parts.some((part) => isLonger(part, longestName)))
      throw refuse(name, { code: "archive.name-too-long", why: "has too long a name" });
  }
}

export const withoutSlash = (name: string): string => (name.endsWith("/") ? name.slice(0, -1) : name);

/** Whether a name has more than so many bytes: no character takes more than three for each unit of its text. */
const isLonger = (name: string, bytes: number): boolean =>
  name.length * 3 > bytes && encodeFileName(name).byteLength > bytes;
