import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { textOf, utf8 } from "../../base/bytes.js";
import type { Call } from "../../base/call.js";
import { Failure } from "../../base/failure.js";
import { type GpgKey, parseKeys } from "../../trust/gpg-key.js";
import { type Gpg, gpgOutput, makeHome, runGpg } from "./gpg.js";

export interface KeyList {
  /** Fingerprints, key ids or parts of user ids; none: all keys. */
  readonly keys?: readonly string[] | undefined;
  readonly secret?: boolean | undefined;
}

export interface NewKey {
  readonly name: string;
  readonly email: string;
  readonly comment: string;
  /** As GnuPG's: `0` never, `2y`, `2030-01-01`. */
  readonly expires: string;
}

/**
 * The keys of a GnuPG home. A home that is not there has none.
 * @throws Failure `gpg.key-missing` where `keys` name one that is not there
 */
export async function listKeys(
  gpg: Gpg,
  { keys = [], secret = false }: KeyList = {},
  call: Call = {},
): Promise<readonly GpgKey[]> {
  const listing = existsSync(gpg.home)
    ? await runGpg(
        gpg,
        [
          "--no-auto-check-trustdb",
          "--with-colons",
          secret ? "--list-secret-keys" : "--list-public-keys",
          "--",
          ...keys,
        ],
        call,
      )
    : undefined;
  if (listing?.code === 0) return parseKeys(textIn(listing.output));
  // gpg fails where one that was named is not there, and where there is no keyring yet.
  if (keys.length === 0 && (listing === undefined || parseKeys(textIn(listing.output)).length === 0))
    return [];
  throw new Failure("not-found", `the keyring ${gpg.home} does not have all of ${keys.join(", ")}`, {
    code: "gpg.key-missing",
    subject: keys[0],
    hint: `\`stowage gpg list${secret ? " --signing" : ""}\` shows what it has.`,
  });
}

/** The keys that a file holds, public and secret ones. */
export async function keysIn(gpg: Gpg, bytes: Uint8Array, call: Call = {}): Promise<readonly GpgKey[]> {
  // The home plays no part in it; one that is there spares gpg from making it.
  await using scratch = await scratchHome(gpg.env);
  const { output } = await runGpg(scratch.gpg, ["--with-colons", "--show-keys"], { ...call, input: bytes });
  return parseKeys(textIn(output));
}

/**
 * Takes keys into the keyring, and trusts them. Of what is in `bytes` only `fingerprints` get there.
 * @throws Failure `gpg.failed`
 */
export async function trustKeys(
  gpg: Gpg,
  bytes: Uint8Array,
  { fingerprints, ...call }: Call & { readonly fingerprints: readonly string[] },
): Promise<void> {
  if (fingerprints.length === 0) return;
  await makeHome(gpg);
  await gpgOutput(gpg, ["--import"], { ...call, input: await only(gpg, bytes, { ...call, fingerprints }) });
  // 6: ultimate, as Spack has it: whoever signs packages needs no one to vouch for them.
  const trust = utf8(fingerprints.map((fingerprint) => `${fingerprint}:6:\n`).join(""));
  await gpgOutput(gpg, ["--import-ownertrust"], { ...call, input: trust });
}

/** What a file holds of some keys. Another's key is thereby never in the keyring, not even for a moment. */
async function only(
  gpg: Gpg,
  bytes: Uint8Array,
  { fingerprints, ...call }: Call & { readonly fingerprints: readonly string[] },
): Promise<Uint8Array> {
  const all = await keysIn(gpg, bytes, call);
  if (all.every(({ fingerprint }) => fingerprints.includes(fingerprint))) return bytes;
  await using scratch = await scratchHome(gpg.env);
  await gpgOutput(scratch.gpg, ["--import"], { ...call, input: bytes });
  return (await gpgOutput(scratch.gpg, ["--export", "--", ...fingerprints], call)).output;
}

/** Public keys; with `secret`, the secret ones. @throws Failure `gpg.key-missing`, `gpg.failed` */
export async function exportKeys(
  gpg: Gpg,
  fingerprints: readonly string[],
  { secret = false, armor = true, ...call }: Call & { secret?: boolean; armor?: boolean } = {},
): Promise<Uint8Array> {
  // gpg would take no names for all keys.
  if (fingerprints.length === 0) return new Uint8Array();
  const args = [...(armor ? ["--armor"] : []), secret ? "--export-secret-keys" : "--export"];
  return (await gpgOutput(gpg, [...args, "--", ...fingerprints], call)).output;
}

export async function deleteKeys(
  gpg: Gpg,
  fingerprints: readonly string[],
  { secret = false, ...call }: Call & { secret?: boolean } = {},
): Promise<void> {
  const what = secret ? "--delete-secret-keys" : "--delete-keys";
  if (fingerprints.length > 0) await gpgOutput(gpg, ["--yes", what, "--", ...fingerprints], call);
}

/** Makes a key to sign with, as Spack makes them. Gives its fingerprint. */
export async function createKey(
  gpg: Gpg,
  { name, email, comment, expires }: NewKey,
  call: Call = {},
): Promise<string> {
  for (const [what, text] of Object.entries({ name, email, comment, expires }))
    if (/[\r\n]/.test(text))
      throw new Failure("usage", `the ${what} of a key is one line`, { code: "gpg.key-invalid" });
  await makeHome(gpg);
  const request = [
    "Key-Type: rsa",
    "Key-Length: 4096",
    "Key-Usage: sign",
    `Name-Real: ${name}`,
    `Name-Email: ${email}`,
    ...(comment === "" ? [] : [`Name-Comment: ${comment}`]),
    `Expire-Date: ${expires}`,
    // Signing runs in jobs where nobody can type: the file permissions of the home are what protects it.
    "%no-protection",
    "%commit",
    "",
  ].join("\n");
  const { status } = await gpgOutput(gpg, ["--gen-key"], { ...call, input: utf8(request) });
  const fingerprint = status.map((line) => /^KEY_CREATED \w ([0-9A-F]+)/.exec(line)?.[1]).find(Boolean);
  if (fingerprint !== undefined) return fingerprint;
  throw new Error(`gpg created no key: ${status.join("; ")}`);
}

/** An empty home for one operation. */
export async function scratchHome(env: Gpg["env"]): Promise<AsyncDisposable & { readonly gpg: Gpg }> {
  const home = await mkdtemp(join(tmpdir(), "stowage-gpg-"));
  return {
    gpg: { home, env },
    [Symbol.asyncDispose]: () => rm(home, { recursive: true, force: true }),
  };
}

const textIn = (bytes: Uint8Array): string => textOf(bytes) ?? Buffer.from(bytes).toString("latin1");
