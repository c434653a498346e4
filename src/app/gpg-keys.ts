import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Call } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { publishKeys, readPublishedKeys } from "../buildcache/published-keys.js";
import { writeAtomically } from "../io/disk/atomic.js";
import { diskFailure, systemCodeOf } from "../io/disk/disk-failure.js";
import {
  createKey,
  deleteKeys,
  exportKeys,
  keysIn,
  listKeys,
  type NewKey,
  trustKeys,
} from "../io/gpg/keyring.js";
import { openSigner } from "../io/gpg/signer.js";
import type { GpgKey } from "../trust/gpg-key.js";
import type { OpenPgpSigner } from "../trust/openpgp.js";
import { type Context, openContext, type StowageOptions } from "./context.js";
import { gpgOf, openDocumentVerifier } from "./gpg.js";
import { holdsImages, openRegistries } from "./registries.js";

export interface TrustOptions extends StowageOptions {
  /** Whether a key is to be trusted; asked for each that is not yet. */
  readonly confirm: (key: GpgKey) => Promise<boolean>;
}

/** The keys of Spack's keyring: the public ones, which are trusted, or the secret ones, which sign. */
export async function listGpgKeys(
  options: StowageOptions & { readonly secret?: boolean | undefined } = {},
): Promise<{ readonly home: string; readonly keys: readonly GpgKey[] }> {
  const context = await openContext(options);
  const gpg = gpgOf(context);
  return {
    home: gpg.home,
    keys: await listKeys(gpg, { secret: options.secret ?? false }, callOf(context)),
  };
}

/** Trusts the keys in a file, public and secret ones. Gives those that were confirmed. */
export async function trustKeyFile(path: string, options: TrustOptions): Promise<readonly GpgKey[]> {
  const context = await openContext(options);
  return trust(context, await readKeyFile(resolve(context.cwd, path)), { ...options, subject: path });
}

/** Trusts the keys that come with Spack (`var/spack/gpg/*.key`), or those in a folder. */
export async function trustDefaultKeys(
  options: TrustOptions & { readonly from?: string | undefined },
): Promise<readonly GpgKey[]> {
  const context = await openContext(options);
  const folder = options.from ?? (context.spack && join(context.spack, "var/spack/gpg"));
  if (folder === undefined)
    throw new Failure("not-found", "there is no Spack here, whose keys could be trusted", {
      code: "gpg.keys-missing",
      hint: "Set SPACK_ROOT, or trust a file: `stowage gpg trust FILE`.",
    });
  const trusted: GpgKey[] = [];
  const files = await readdir(resolve(context.cwd, folder), { recursive: true });
  for (const file of files.filter((name) => name.endsWith(".key")).sort()) {
    const path = join(folder, file);
    trusted.push(...(await trust(context, await readKeyFile(path), { ...options, subject: path })));
  }
  return trusted;
}

async function trust(
  context: Context,
  bytes: Uint8Array,
  { confirm, subject, expected }: Pick<TrustOptions, "confirm"> & { subject: string; expected?: string },
): Promise<readonly GpgKey[]> {
  const gpg = gpgOf(context);
  const keys = new Map((await keysIn(gpg, bytes, callOf(context))).map((key) => [key.fingerprint, key]));
  if (keys.size === 0)
    throw new Failure("not-found", `${subject} holds no keys`, {
      code: "gpg.keyring-broken",
      subject,
      hint: "`gpg --show-keys FILE` shows what is in it.",
    });
  if (expected !== undefined && !keys.has(expected))
    throw new Failure("corrupt", `${subject} holds ${[...keys.keys()].join(", ")}, not ${expected}`, {
      code: "gpg.key-mismatch",
      subject,
    });
  const chosen: GpgKey[] = [];
  for (const key of keys.values()) if (await confirm(key)) chosen.push(key);
  await trustKeys(gpg, bytes, {
    ...callOf(context),
    fingerprints: chosen.map(({ fingerprint }) => fingerprint),
  });
  return chosen;
}

/** Takes keys out of the keyring; with `secret`, those with which one can sign, too. */
export async function untrustKeys(
  names: readonly string[],
  options: StowageOptions & { readonly secret?: boolean | undefined } = {},
): Promise<readonly string[]> {
  const context = await openContext(options);
  const gpg = gpgOf(context);
  const keys = (await listKeys(gpg, { keys: names }, callOf(context))).map(({ fingerprint }) => fingerprint);
  const own = new Set(
    (await listKeys(gpg, { secret: true }, callOf(context))).map(({ fingerprint }) => fingerprint),
  );
  const secret = keys.filter((key) => own.has(key));
  if (secret.length > 0 && options.secret !== true)
    throw new Failure("conflict", `${secret.join(", ")} can sign, and would be lost`, {
      code: "gpg.key-is-secret",
      subject: secret[0],
      hint: "--signing deletes secret keys, too; `stowage gpg export --secret FILE KEY` keeps a copy.",
    });
  await deleteKeys(gpg, secret, { ...callOf(context), secret: true });
  await deleteKeys(gpg, keys, callOf(context));
  return keys;
}

/** Makes a key to sign with, and writes it to files where they are named. */
export async function createGpgKey(
  key: NewKey,
  options: StowageOptions & {
    readonly export?: string | undefined;
    readonly exportSecret?: string | undefined;
  } = {},
): Promise<{ readonly fingerprint: string; readonly home: string }> {
  const context = await openContext(options);
  const gpg = gpgOf(context);
  const fingerprint = await createKey(gpg, key, callOf(context));
  if (options.export !== undefined) await writeKeys(context, options.export, { keys: [fingerprint] });
  if (options.exportSecret !== undefined)
    await writeKeys(context, options.exportSecret, { keys: [fingerprint], secret: true });
  return { fingerprint, home: gpg.home };
}

/** Writes keys to a file: those named, else all that can sign. */
export async function exportGpgKeys(
  path: string,
  options: StowageOptions & {
    readonly keys?: readonly string[] | undefined;
    readonly secret?: boolean | undefined;
  } = {},
): Promise<readonly string[]> {
  const context = await openContext(options);
  const { keys = [], secret = false } = options;
  const found = await listKeys(
    gpgOf(context),
    { keys, secret: secret || keys.length === 0 },
    callOf(context),
  );
  const fingerprints = found.map(({ fingerprint }) => fingerprint);
  if (fingerprints.length === 0)
    throw new Failure("not-found", "there are no keys to export", {
      code: "gpg.no-secret-key",
      hint: "Without a key's name those are exported that can sign: `stowage gpg list` shows all.",
    });
  await writeKeys(context, path, { keys: fingerprints, secret });
  return fingerprints;
}

async function writeKeys(
  context: Context,
  path: string,
  { keys, secret = false }: { keys: readonly string[]; secret?: boolean },
): Promise<void> {
  const bytes = await exportKeys(gpgOf(context), keys, { ...callOf(context), secret });
  await writeAtomically(resolve(context.cwd, path), bytes, secret ? { mode: 0o600 } : {});
}

/** Publishes public keys in a mirror of files: those named, else all of the keyring. */
export async function publishGpgKeys(
  mirrorName: string,
  options: StowageOptions & {
    readonly keys?: readonly string[] | undefined;
    readonly updateIndex?: boolean | undefined;
  } = {},
): Promise<readonly string[]> {
  const context = await openContext(options);
  const mirror = await context.mirror(mirrorName);
  const gpg = gpgOf(context);
  const keys = new Map<string, Uint8Array>();
  for (const { fingerprint } of await listKeys(gpg, { keys: options.keys }, callOf(context)))
    keys.set(fingerprint, await exportKeys(gpg, [fingerprint], callOf(context)));
  await using registries = openRegistries(context);
  const { updateIndex } = options;
  await publishKeys(await registries.files(mirror, "push"), keys, { ...callOf(context), updateIndex });
  return [...keys.keys()];
}

export interface MirrorKey {
  readonly mirror: string;
  readonly fingerprint: string;
  readonly userIds: readonly string[];
  readonly trusted: boolean;
}

/**
 * The keys that mirrors of files publish, of those named or of all that are signed. With `confirm`, those that it
 * confirms are trusted from now on.
 */
export async function mirrorKeys(
  names: readonly string[],
  options: StowageOptions & { readonly confirm?: TrustOptions["confirm"] | undefined } = {},
): Promise<readonly MirrorKey[]> {
  const context = await openContext(options);
  const mirrors =
    names.length > 0
      ? await Promise.all(names.map((name) => context.mirror(name)))
      : (await context.mirrors()).filter(({ binary }) => binary);
  await using registries = openRegistries(context);
  const gpg = gpgOf(context);
  const known = new Set((await listKeys(gpg, {}, callOf(context))).map(({ fingerprint }) => fingerprint));
  const found: MirrorKey[] = [];
  for (const mirror of mirrors) {
    if (!mirror.signed || mirror.fetch === undefined || holdsImages(mirror)) continue;
    for (const { fingerprint, bytes, subject } of await readPublishedKeys(
      await registries.files(mirror, "fetch"),
      callOf(context),
    )) {
      const confirm = options.confirm ?? (async () => false);
      if (!known.has(fingerprint))
        for (const one of await trust(context, bytes, { confirm, subject, expected: fingerprint }))
          known.add(one.fingerprint);
      const key = (await keysIn(gpg, bytes, callOf(context))).find((one) => one.fingerprint === fingerprint);
      found.push({
        mirror: mirror.name,
        fingerprint,
        userIds: key?.userIds ?? [],
        trusted: known.has(fingerprint),
      });
    }
  }
  return found;
}

/** Whose signatures a clearsigned document carries, if they are all good. @throws Failure `gpg.*` */
export async function verifyDocument(
  path: string,
  options: StowageOptions = {},
): Promise<readonly OpenPgpSigner[]> {
  const context = await openContext(options);
  await using verifier = openDocumentVerifier(context);
  const document = await readKeyFile(resolve(context.cwd, path));
  return (await verifier.open(document, { ...callOf(context), subject: path })).signers;
}

/** Clearsigns a file. */
export async function signDocument(
  path: string,
  options: StowageOptions & { readonly key?: string | undefined; readonly output?: string | undefined } = {},
): Promise<{ readonly fingerprint: string; readonly output: string }> {
  const context = await openContext(options);
  const call = callOf(context);
  const text = await readKeyFile(resolve(context.cwd, path));
  const signer = await openSigner(gpgOf(context), { ...call, key: options.key });
  const output = options.output ?? `${path}.sig`;
  await writeAtomically(resolve(context.cwd, output), await signer.sign(text, { ...call, subject: path }));
  return { fingerprint: signer.fingerprint, output };
}

const callOf = ({ signal, report }: Context): Call => ({ signal, report });

async function readKeyFile(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    if (systemCodeOf(error) !== "ENOENT") throw diskFailure(error, { doing: "read", path });
    throw new Failure("not-found", `there is no file ${path}`, {
      code: "gpg.file-missing",
      subject: path,
      cause: error,
    });
  }
}
