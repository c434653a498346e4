import { createHash } from "node:crypto";
import type { BinaryDistribution } from "../archive/binary-distribution.js";
import { gunzipHere } from "../archive/gunzip-here.js";
import { createUnpacker, type TreeSink, type Unpacked } from "../archive/unpack.js";
import type { Call } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { installManifestName } from "../store/install-manifest.js";
import type { InstallFiles } from "./files.js";
import {
  createPackageWriter,
  type FileProblem,
  type PackageWriter,
  type RelocatedNames,
  type WrittenEntry,
} from "./package-writer.js";
import { type Guess, originOf, type Prefixes, prefixPairs, relocatesAlike } from "./prefixes.js";

/** One package to be made from its archive, in a worker thread: plain data. */
export interface MaterializeJob {
  /** For messages: `zlib@1.2.13/7i7xbvp from MIRROR`. */
  readonly subject: string;
  /** DAG hash that the archive's prefix bears. */
  readonly hash: string;
  /** DAG hash of the package; another where it is spliced. */
  readonly packageHash: string;
  /** Of the archive: `sha256:…`; undefined where it was checked while it was fetched just now. */
  readonly digest: string | undefined;
  /** Where it is made: a path that nothing has. */
  readonly directory: string;
  readonly here: Prefixes;
  readonly guesses: readonly Guess[];
  /** DAG hash to a short path that leads to its prefix here. */
  readonly aliases: ReadonlyMap<string, string>;
  readonly caseInsensitive: boolean;
}

export interface Materialized {
  readonly written: readonly WrittenEntry[];
  readonly problems: readonly FileProblem[];
  /** Files in which an old prefix is left. */
  readonly leftovers: readonly string[];
  /** DAG hashes of the packages whose alias was used. */
  readonly aliased: readonly string[];
  /** Where it was made, and the bytes of its files. */
  readonly oldPrefix: string;
  readonly size: number;
  /** Whether anything that it may name is in another place than where it was made. */
  readonly moved: boolean;
}

export interface MaterializeContext extends Call {
  readonly files: InstallFiles;
  /** The archive's bytes, as often as asked. */
  open(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  readonly advanced?: ((bytes: number) => void) | undefined;
}

/**
 * Unpacks and relocates a package in one pass: nothing is written that must be read again. The archive says what it
 * was made from, and which files are relocatable, only in its last entry; so both are told beforehand from its
 * prefix and the files' content. Where that last entry disagrees, which takes another Spack's other rules or an
 * install tree with its own projection, it is done again by what it says.
 *
 * @throws Failure `install.blob-corrupt` where the archive is not what was promised; `archive.*`, `relocate.*`, `file.*`
 */
export async function materialize(job: MaterializeJob, context: MaterializeContext): Promise<Materialized> {
  const { files } = context;
  try {
    const first = await unpackOnce(job, context, undefined);
    const origin = prefixesOf(first.unpacked.distribution);
    const listed = listedIn(first.unpacked.distribution);
    if (first.writer !== undefined && agrees(first, { origin, listed, here: job.here }))
      return resultOf(first.writer, first.unpacked, { origin, here: job.here });
    files.remove(job.directory);
    const { writer, unpacked } = await unpackOnce(job, context, { origin, listed });
    if (writer === undefined) throw new Error("the second pass wrote nothing");
    return resultOf(writer, unpacked, { origin, here: job.here });
  } catch (error) {
    files.remove(job.directory);
    throw error;
  }
}

interface Known {
  readonly origin: Prefixes;
  readonly listed: RelocatedNames;
}

interface Pass {
  readonly unpacked: Unpacked;
  /** undefined where the prefix told nothing, so nothing was written. */
  readonly writer: PackageWriter | undefined;
  readonly origin: Prefixes | undefined;
}

async function unpackOnce(
  job: MaterializeJob,
  context: MaterializeContext,
  known: Known | undefined,
): Promise<Pass> {
  const { subject } = job;
  let origin = known?.origin;
  let writer: PackageWriter | undefined;
  const sink: TreeSink = {
    prefix: (prefix) => {
      origin ??= originOf(prefix, job.guesses);
      if (origin === undefined) return;
      context.files.makeDirectory(job.directory, 0o755);
      writer = createPackageWriter(context.files, {
        directory: job.directory,
        origin,
        here: job.here,
        aliases: aliasesOf(origin, job.aliases),
        listed: known?.listed,
        leaveOut: rewritten,
      });
    },
    directory: (path) => writer?.directory(path),
    symlink: (path, target) => writer?.symlink(path, target),
    hardlink: (path, existing) => writer?.hardlink(path, existing),
    file: (path, about) => writer?.file(path, about) ?? ignored,
  };
  const unpacker = createUnpacker(sink, {
    subject,
    hash: job.hash,
    caseInsensitive: job.caseInsensitive,
  });
  const archive = checked(context.open(), job);
  await gunzipHere(archive, unpacker.push, { ...context, subject });
  const unpacked = unpacker.end();
  assertOwn(unpacked, job);
  return { unpacked, writer, origin };
}

/** An archive's digest says that it is what the manifest names; that it is of this package, only it says itself. */
function assertOwn({ prefix, distribution }: Unpacked, { hash, packageHash, subject }: MaterializeJob): void {
  const owners = [...distribution.hashToPrefix].filter(([, path]) => path === prefix).map(([owner]) => owner);
  if (owners.length === 0 || owners.includes(hash) || owners.includes(packageHash)) return;
  throw new Failure("corrupt", `${subject} holds ${prefix}, which is /${owners.join(", /")}`, {
    code: "install.other-package",
    subject,
    hint: "Do not use this mirror until its package is pushed again from where it was built.",
  });
}

/** The archive's bytes; the last come only if they are what was promised. */
async function* checked(
  archive: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  { digest, subject }: MaterializeJob,
): AsyncGenerator<Uint8Array> {
  const [algorithm = "", wanted] = digest?.split(":") ?? [];
  if (wanted === undefined) {
    yield* archive;
    return;
  }
  const hash = createHash(algorithm);
  for await (const chunk of archive) {
    hash.update(chunk);
    yield chunk;
  }
  const got = hash.digest("hex");
  if (got === wanted) return;
  throw new Failure("corrupt", `${subject}: the archive should be ${digest}, but is ${algorithm}:${got}`, {
    code: "install.blob-corrupt",
    subject,
    hint: "Try again; if it stays so, the mirror's copy is damaged: push the package again with --force.",
  });
}

/** The spec is the one whose hash was checked; the manifest is of the files as they are here. */
const rewritten: ReadonlySet<string> = new Set([".spack/spec.json", installManifestName]);

const ignored = { write: () => undefined, end: () => undefined };

const prefixesOf = ({ sbangInstallPath, buildPath, hashToPrefix }: BinaryDistribution): Prefixes => ({
  sbang: sbangInstallPath,
  root: buildPath,
  packages: hashToPrefix,
});

const listedIn = (distribution: BinaryDistribution): RelocatedNames => ({
  binary: new Set(distribution.relocateBinaries),
  text: new Set(distribution.relocateTextFiles),
  links: new Set(distribution.relocateLinks),
});

function aliasesOf(origin: Prefixes, aliases: MaterializeJob["aliases"]): ReadonlyMap<string, string> {
  return new Map(
    [...origin.packages].flatMap(([hash, from]) => {
      const alias = aliases.get(hash);
      return alias === undefined ? [] : [[from, alias] as const];
    }),
  );
}

/** Whether what was done is what the archive's own list says. Further names of a hard-linked file are its first's. */
function agrees({ writer, origin }: Pass, known: Known & { readonly here: Prefixes }): boolean {
  if (writer === undefined || origin === undefined || !relocatesAlike(origin, known.origin, known.here))
    return false;
  const links = new Set(writer.written.filter(({ type }) => type === "hardlink").map(({ name }) => name));
  const same = (a: ReadonlySet<string>, b: ReadonlySet<string>) =>
    [...a].every((name) => b.has(name)) && [...b].every((name) => a.has(name) || links.has(name));
  const { relocated } = writer;
  const { listed } = known;
  // A link that is listed and was not changed would not be changed by its being listed.
  const linksAgree = [...relocated.links].every((name) => listed.links.has(name));
  return linksAgree && same(relocated.binary, listed.binary) && same(relocated.text, listed.text);
}

function resultOf(
  writer: PackageWriter,
  unpacked: Unpacked,
  { origin, here }: { readonly origin: Prefixes; readonly here: Prefixes },
): Materialized {
  const { written, problems, leftovers, aliased } = writer;
  return {
    written,
    problems,
    leftovers,
    aliased: [...origin.packages].filter(([, prefix]) => aliased.has(prefix)).map(([hash]) => hash),
    oldPrefix: unpacked.prefix,
    size: unpacked.size,
    moved: prefixPairs(origin, here).some(([from, to]) => from !== to),
  };
}
