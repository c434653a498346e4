import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { Failure } from "../../base/failure.js";
import { algorithmOf, type Digest, hexOf } from "../../oci/digest.js";
import { isRepositoryName, type RepositoryName } from "../../oci/reference.js";
import { systemCodeOf } from "../disk/disk-failure.js";

/*
 * What a registry's root holds:
 *
 *   <name>/oci-layout, index.json, blobs/   each repository as an OCI image layout (image-spec 1.1)
 *   <name>/_journal                         changes that index.json does not have yet
 *   <name>/_uploads/<id>.<algorithm>        uploads under way
 *   _blobs/<algorithm>/<hex>                every blob that was pushed: see blob-files.ts
 *   _new/                                   files being written; emptied at the start
 *   _lock                                   which process serves it
 *
 * No repository name starts with "_", so these are in nobody's way.
 */

/** A name in `_new` for a file to be written, and then renamed to where it belongs. */
export const newPathOf = (root: string): string => join(root, "_new", randomUUID());

/** Names of a layout's own files are also valid parts of a repository's name; those get a "_", which no name ends in. */
const taken: ReadonlySet<string> = new Set(["blobs", "index.json", "oci-layout"]);

export const directoryOf = (root: string, name: RepositoryName): string =>
  join(root, ...name.split("/").map((part) => (taken.has(part) ? `${part}_` : part)));

/** Where a blob is below a layout. */
export const blobPathOf = (layout: string, digest: Digest): string =>
  join(layout, "blobs", algorithmOf(digest), hexOf(digest));

/** Where a blob is that any repository may link to. */
export const sharedPathOf = (root: string, digest: Digest): string =>
  join(root, "_blobs", algorithmOf(digest), hexOf(digest));

/** Names of the layouts below `root`, sorted. */
export function repositoriesIn(root: string): readonly RepositoryName[] {
  const found: RepositoryName[] = [];
  const visit = (directory: string, parts: readonly string[]): void => {
    const entries = readdirSync(directory, { withFileTypes: true });
    const name = parts.join("/");
    if (isRepositoryName(name) && entries.some((entry) => entry.name === "oci-layout")) found.push(name);
    for (const entry of entries)
      if (entry.isDirectory() && !entry.name.startsWith("_") && !taken.has(entry.name))
        visit(join(directory, entry.name), [...parts, entry.name.replace(/_$/, "")]);
  };
  visit(root, []);
  return found.sort();
}

/**
 * Takes the root for this process: what two of them keep in memory would differ. Gives it back when called.
 * @throws Failure `server.root-in-use`
 */
export function lockRoot(root: string): () => void {
  const path = join(root, "_lock");
  const holder = JSON.stringify({ pid: process.pid, started: startOf(process.pid), host: hostname() });
  for (;;) {
    try {
      writeFileSync(path, holder, { flag: "wx" });
      let isHeld = true;
      return () => {
        // Given back once: by then it may be another's.
        if (isHeld) rmSync(path, { force: true });
        isHeld = false;
      };
    } catch (error) {
      if (systemCodeOf(error) !== "EEXIST") throw error;
    }
    const other = readFileSync(path, "utf8");
    if (isRunning(other))
      throw new Failure("conflict", `the registry in ${root} is in use: ${other}`, {
        code: "server.root-in-use",
        subject: root,
        hint: `Stop the process that serves it; if there is none, remove ${path}.`,
      });
    rmSync(path, { force: true });
  }
}

function isRunning(holder: string): boolean {
  const match = /^\{"pid":(\d+),"started":"(\d*)","host":"(.*)"\}$/.exec(holder);
  // Written in part: its writer did not live to finish it.
  if (match === null) return false;
  if (match[3] !== hostname()) return true;
  const pid = Number(match[1]);
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (systemCodeOf(error) === "ESRCH") return false;
  }
  // The number may have gone to another process since.
  return startOf(pid) === match[2];
}

/** When a process started, in the kernel's ticks; empty where the system does not say. */
function startOf(pid: number): string {
  try {
    // The name in parentheses may hold anything, so fields are counted from its end; the start is the 22nd.
    return (
      readFileSync(`/proc/${pid}/stat`, "latin1")
        .replace(/^.*\) /s, "")
        .split(" ")[19] ?? ""
    );
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT") return "";
    throw error;
  }
}
