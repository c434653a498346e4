import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Clock } from "../../base/clock.js";
import { Failure } from "../../base/failure.js";
import type { DocumentVerifier } from "../../trust/openpgp.js";
import { diskFailure, systemCodeOf } from "../disk/disk-failure.js";
import { type Gpg, gpgOutput } from "./gpg.js";
import { createGpgVerifier } from "./gpg-verifier.js";
import { exportKeys, listKeys, scratchHome } from "./keyring.js";
import { createOpenPgpVerifier, loadOpenPgp, type OpenPgp, type PublicKeys } from "./openpgp-verifier.js";

export interface VerifierOptions {
  readonly clock: Clock;
  /** A file of trusted public keys, armored or not, instead of the home's. */
  readonly keyring?: string | undefined;
  /** The library; else whether it is there is found out. `null`: do without. */
  readonly openpgp?: OpenPgp | null | undefined;
}

/**
 * Verifies with the keys of a GnuPG home, or of a file. Nothing is read or started before something is to be opened.
 *
 * What decides is the library openpgp where it is installed, else a gpg for each document.
 * @throws Failure on opening: `gpg.keyring-missing`, `gpg.keyring-broken`, `gpg.not-installed` too
 */
export function openVerifier(
  gpg: Gpg,
  { clock, keyring, openpgp }: VerifierOptions,
): DocumentVerifier & AsyncDisposable {
  let scratch: Awaited<ReturnType<typeof scratchHome>> | undefined;
  let verifier: Promise<DocumentVerifier> | undefined;
  const create = async (): Promise<DocumentVerifier> => {
    const library = openpgp === undefined ? await loadOpenPgp() : (openpgp ?? undefined);
    if (library !== undefined) {
      const keys = keyring === undefined ? await homeKeys(gpg) : await fileKeys(keyring);
      return createOpenPgpVerifier(library, keys, { clock });
    }
    if (keyring === undefined && existsSync(gpg.home)) {
      const untrusted = (await listKeys(gpg)).filter(({ state }) => state === "untrusted");
      const distrusted = new Set(untrusted.map(({ fingerprint }) => fingerprint));
      return createGpgVerifier(gpg, { clock, distrusted });
    }
    scratch = await scratchHome(gpg.env);
    if (keyring !== undefined)
      await gpgOutput(scratch.gpg, ["--import"], { input: (await fileKeys(keyring)).trusted });
    return createGpgVerifier(scratch.gpg, { clock, distrusted: new Set() });
  };
  return {
    async open(document, options) {
      verifier ??= create();
      return (await verifier).open(document, options);
    },
    async [Symbol.asyncDispose]() {
      await verifier?.catch(() => {});
      await scratch?.[Symbol.asyncDispose]();
    },
  };
}

async function homeKeys(gpg: Gpg): Promise<PublicKeys> {
  const keys = await listKeys(gpg);
  // What has expired or was revoked is kept: it is refused by its own name.
  const of = (untrusted: boolean): Promise<Uint8Array> =>
    exportKeys(
      gpg,
      keys.filter(({ state }) => (state === "untrusted") === untrusted).map(({ fingerprint }) => fingerprint),
      { armor: false },
    );
  return { trusted: await of(false), distrusted: await of(true), label: gpg.home };
}

async function fileKeys(path: string): Promise<PublicKeys> {
  try {
    return { trusted: await readFile(path), distrusted: new Uint8Array(), label: path };
  } catch (error) {
    if (systemCodeOf(error) !== "ENOENT") throw diskFailure(error, { doing: "read", path });
    throw new Failure("not-found", `there is no keyring ${path}`, {
      code: "gpg.keyring-missing",
      subject: path,
      hint: "Name a file of public keys: `stowage gpg export FILE` writes one.",
      cause: error,
    });
  }
}
