import { join } from "node:path";
import type { Gpg } from "../io/gpg/gpg.js";
import { openVerifier } from "../io/gpg/verifier.js";
import { systemClock } from "../io/system/clock.js";
import type { DocumentVerifier } from "../trust/openpgp.js";
import type { Context } from "./context.js";

/** The keyring: Spack's own where there is a Spack, so that what it trusts is trusted here. */
export function gpgOf({ env, home, spack }: Context): Gpg {
  const named = env["SPACK_GNUPGHOME"];
  const own = spack === undefined ? join(home, ".stowage/gpg") : join(spack, "opt/spack/gpg");
  return { home: named || own, env };
}

/** Verifies clearsigned documents by the keys that are trusted here: in `--keyring`, in that of a policy, in Spack's. */
export const openDocumentVerifier = (
  context: Context,
  keyring?: string | undefined,
): DocumentVerifier & AsyncDisposable =>
  openVerifier(gpgOf(context), { clock: systemClock, keyring: context.keyring ?? keyring });
