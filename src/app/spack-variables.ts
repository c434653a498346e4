import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { base32 } from "../install/base32.js";

/** What Spack's variables stand for that are about Spack itself, and the day. */
export function spackVariables(spack: string | undefined): Readonly<Record<string, string | undefined>> {
  const now = new Date();
  const two = (number: number): string => String(number).padStart(2, "0");
  return {
    spack,
    date: `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`,
    // The first characters of a hash of where it is (spack.paths).
    spack_instance_id: spack && base32(createHash("sha1").update(spack).digest()).slice(0, 7).toLowerCase(),
    // Read when a path asks for it, which is rare.
    get spack_short_version() {
      return spack && shortVersion(spack);
    },
  };
}

/** `1.3` of a Spack that says `__version__ = "1.3.0.dev0"`; undefined where it says nothing of the kind. */
function shortVersion(spack: string): string | undefined {
  const text = readFileSync(join(spack, "lib/spack/spack/__init__.py"), "utf8");
  return /^__version__ = "(\d+\.\d+)/m.exec(text)?.[1];
}
