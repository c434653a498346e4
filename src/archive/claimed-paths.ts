import type { Refuse } from "./safe-entry.js";
import type { ReadTarEntry } from "./tar-reader.js";

type Claim = "directory" | "implied" | "file" | "symlink";

/** The paths below a prefix that an archive's entries have taken so far. */
export interface ClaimedPaths {
  /**
   * Takes a path that nothing has yet, below directories only. Returns false for a directory that exists
   * already, because something in it came first.
   * @throws Failure `archive.duplicate-entry`, `archive.through-link`, `archive.not-a-directory`,
   *   `archive.name-collision`
   */
  claim(path: string, entry: ReadTarEntry): boolean;
  isFile(path: string): boolean;
}

export interface ClaimOptions {
  readonly refuse: Refuse;
  /** Told of directories that the archive has no entry for, before what is in them. */
  readonly imply: (path: string) => void;
  /** Whether names that differ in case only are one. */
  readonly caseInsensitive: boolean;
}

export function createClaimedPaths({ refuse, imply, caseInsensitive }: ClaimOptions): ClaimedPaths {
  const claims = new Map<string, Claim>();
  const folded = new Map<string, string>();

  const assertNoCollision = (path: string, name: string): void => {
    const key = path.normalize("NFC").toLowerCase();
    const other = folded.get(key);
    if (other !== undefined)
      throw refuse(name, { code: "archive.name-collision", why: `is the same file as ${other} here` });
    folded.set(key, path);
  };

  const set = (path: string, { name }: ReadTarEntry, claim: Claim): void => {
    if (caseInsensitive && !claims.has(path)) assertNoCollision(path, name);
    claims.set(path, claim);
  };

  const claimParents = (path: string, entry: ReadTarEntry): void => {
    if (path === "") return;
    const parent = path.slice(0, Math.max(0, path.lastIndexOf("/")));
    const claim = claims.get(parent);
    if (claim === "symlink")
      throw refuse(entry.name, {
        code: "archive.through-link",
        why: "would be written through a symbolic link",
      });
    if (claim === "file")
      throw refuse(entry.name, { code: "archive.not-a-directory", why: "is below a file" });
    if (claim !== undefined) return;
    claimParents(parent, entry);
    set(parent, entry, "implied");
    imply(parent);
  };

  return {
    claim: (path, entry) => {
      const known = claims.get(path);
      if (known !== undefined && !(known === "implied" && entry.type === "directory"))
        throw refuse(entry.name, { code: "archive.duplicate-entry", why: "comes twice" });
      claimParents(path, entry);
      set(path, entry, entry.type === "directory" || entry.type === "symlink" ? entry.type : "file");
      return known === undefined;
    },
    isFile: (path) => claims.get(path) === "file",
  };
}
