import { resolve } from "node:path";
import type { Call } from "../base/call.js";
import { bytesOf, utf8 } from "../base/bytes.js";
import { Failure } from "../base/failure.js";
import type { BuildCache } from "../buildcache/build-cache.js";
import { fileNameOf } from "../buildcache/file-name.js";
import type { Entry } from "../buildcache/source.js";
import { openFileStore } from "../io/url-mirror/file-store.js";
import { createLookup } from "../install/plan.js";
import { subgraph } from "../spec/graph.js";
import { createMatcher } from "../spec/matches.js";
import { parseSpecs } from "../spec/parse-spec.js";
import { encodeSpecFile } from "../spec/spec-file.js";
import { type Context, openContext, type StowageOptions } from "./context.js";
import { openIndexCopies } from "./index-copies.js";
import { createRootResolver } from "./install-roots.js";
import { openRegistries } from "./registries.js";

export interface DownloadOptions extends StowageOptions {
  /** Only from this mirror, instead of all. */
  readonly mirror?: string | undefined;
}

export interface Downloaded {
  readonly hash: string;
  /** Paths of what was written. */
  readonly files: readonly string[];
}

/**
 * Writes the spec and the tarball of a package into a directory, as `NAME-VERSION-HASH.spec.json` and `.tar.gz`.
 * @throws Failure `spec.no-match`, `mirror.*`, and what reading throws: bytes are verified
 */
export async function download(
  spec: string,
  directory: string,
  options: DownloadOptions = {},
): Promise<Downloaded> {
  const context = await openContext(options);
  return await withEntry(spec, { context, mirror: options.mirror }, async (entry, call) => {
    const { name, version, hash } = entry.spec;
    const stem = fileNameOf(`${name}-${version}-${hash}`);
    const root = resolve(context.cwd, directory);
    const store = openFileStore(root);
    const document = utf8(encodeSpecFile(subgraph(entry.graph, hash)));
    const content = { size: document.byteLength, open: () => bytesOf(document) };
    await store.write(`${stem}.tar.gz`, { size: entry.layer.size, open: entry.open }, call);
    await store.write(`${stem}.spec.json`, content, call);
    return { hash, files: [".tar.gz", ".spec.json"].map((suffix) => `${root}/${stem}${suffix}`) };
  });
}

/**
 * Writes the specs of what a package depends on, each as `NAME.json`: of those that `specs` match.
 * @throws Failure `spec.no-match`, `mirror.*`
 */
export async function saveSpecFiles(
  rootSpec: string,
  directory: string,
  { specs, ...options }: DownloadOptions & { readonly specs: readonly string[] },
): Promise<Downloaded> {
  const context = await openContext(options);
  return await withEntry(rootSpec, { context, mirror: options.mirror }, async ({ spec, graph }, call) => {
    const root = resolve(context.cwd, directory);
    const store = openFileStore(root);
    const matches = createMatcher(graph);
    const queries = specs.flatMap(parseSpecs);
    const files: string[] = [];
    for (const node of graph.nodes.values()) {
      if (!queries.some((query) => matches(node, query))) continue;
      const document = utf8(encodeSpecFile(subgraph(graph, node.hash)));
      const content = { size: document.byteLength, open: () => bytesOf(document) };
      await store.write(`${fileNameOf(node.name)}.json`, content, call);
      files.push(`${root}/${fileNameOf(node.name)}.json`);
    }
    return { hash: spec.hash, files };
  });
}

/** Does something with the package that a spec names, of the first mirror that has it. */
async function withEntry<T>(
  spec: string,
  { context, mirror }: { readonly context: Context; readonly mirror: string | undefined },
  work: (entry: Entry, call: Call) => Promise<T>,
): Promise<T> {
  const call: Call = { signal: context.signal, report: context.report };
  const mirrors =
    mirror === undefined
      ? (await context.mirrors()).filter(({ binary, fetch }) => binary && fetch !== undefined)
      : [await context.mirror(mirror)];
  if (mirrors.length === 0)
    throw new Failure("not-found", "no mirror is configured", {
      code: "mirror.none",
      hint: "Run `stowage mirror add NAME URL`, or name one with --mirror.",
    });
  await using registries = openRegistries(context);
  const caches: BuildCache[] = [];
  for (const one of mirrors) caches.push(...(await registries.caches(one)));
  const resolver = createRootResolver(caches, { ...call, host: undefined, copies: openIndexCopies(context) });
  const entry = await createLookup(caches)(await resolver.resolve(spec), call);
  if (entry !== undefined) return await work(entry, call);
  throw new Failure("not-found", `no mirror has ${spec}`, {
    code: "spec.no-match",
    subject: spec,
    hint: "`stowage buildcache list -l` shows what there is.",
  });
}
