import { parse } from "yaml";
import { Failure } from "../base/failure.js";
import { encodeFileName } from "../base/file-name.js";

/** Where an archive has it, below the prefix: the last entry since Spack 0.22. */
export const binaryDistributionName = ".spack/binary_distribution";

/** What a package's archive says about the prefixes and files it was made from. */
export interface BinaryDistribution {
  /** `sbang_install_path` */
  readonly sbangInstallPath: string;
  /** `buildpath`: the root of the store. */
  readonly buildPath: string;
  /** `spackprefix`: where the Spack that made it lives. */
  readonly spackPrefix: string;
  /** `relative_prefix`: the prefix below the store's root. */
  readonly relativePrefix: string;
  /** `hardlinks_deduped`: whether a file with several names is one file in the lists. */
  readonly hardlinksDeduped: boolean;
  /** `hash_to_prefix`: of the package and its link and run dependencies, DAG hash to prefix. */
  readonly hashToPrefix: ReadonlyMap<string, string>;
  /** `relocate_binaries`, `relocate_links`, `relocate_textfiles`: paths below the prefix. */
  readonly relocateBinaries: readonly string[];
  readonly relocateLinks: readonly string[];
  readonly relocateTextFiles: readonly string[];
}

/** As Spack 1.3 writes it: a YAML flow mapping on one line. */
export function encodeBinaryDistribution(distribution: BinaryDistribution): Uint8Array {
  const list = (items: readonly string[]): string => `[${items.map(encodeScalar).join(", ")}]`;
  const hashes = Array.from(
    distribution.hashToPrefix,
    ([hash, prefix]) => `${encodeScalar(hash)}: ${encodeScalar(prefix)}`,
  );
  const fields = [
    `sbang_install_path: ${encodeScalar(distribution.sbangInstallPath)}`,
    `buildpath: ${encodeScalar(distribution.buildPath)}`,
    `spackprefix: ${encodeScalar(distribution.spackPrefix)}`,
    `relative_prefix: ${encodeScalar(distribution.relativePrefix)}`,
    `hardlinks_deduped: ${distribution.hardlinksDeduped}`,
    `hash_to_prefix: {${hashes.join(", ")}}`,
    `relocate_binaries: ${list(distribution.relocateBinaries)}`,
    `relocate_links: ${list(distribution.relocateLinks)}`,
    `relocate_textfiles: ${list(distribution.relocateTextFiles)}`,
  ];
  return encodeFileName(`{${fields.join(", ")}}\n`);
}

/** What no plain or single-quoted scalar can hold: controls, U+FEFF, bytes that are not UTF-8, a line end at a blank. */
const needsEscapes =
  /[\0-\x1f\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff]|\p{Surrogate}| [\x85\u2028\u2029]|[\x85\u2028\u2029] /u;

/** What makes a scalar in a flow mapping need quotes. */
const needsQuotes = new RegExp(
  [
    "^$|^ | $|[,\\[\\]{}\\x85\\u2028\\u2029]|: | #|:$",
    "^[#&*!|>'\"%@`]|^---|^\\.\\.\\.|^- |^[-?:=]$|^<<$",
    // Null, booleans, numbers and dates, as ruamel.yaml resolves YAML 1.2.
    "^(?:~|null|Null|NULL|true|True|TRUE|false|False|FALSE)$",
    "^[-+]?0(?:b[01_]+|o[0-7_]+|x[0-9a-fA-F_]+)$|^(?:[-+][0-9_]|[0-9])[0-9_]*$",
    "^[-+]?[0-9][0-9_]*(?:\\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?$|^[-+]?\\.[0-9_]+(?:[eE][-+][0-9]+)?$",
    "^[-+]?\\.(?:inf|Inf|INF)$|^\\.(?:nan|NaN|NAN)$",
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    "^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]| +)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\\.[0-9]*)?(?: *(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?$",
  ].join("|"),
);

/** Text as a YAML scalar in a flow collection, in the style that Spack's ruamel.yaml chooses. */
export function encodeScalar(text: string): string {
  if (needsEscapes.test(text))
    return `"${text.replace(/["\\]|[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]/gu, escaped)}"`;
  return needsQuotes.test(text) ? `'${text.replaceAll("'", "''")}'` : text;
}

const shortEscapes: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\0": "\\0",
  "\x07": "\\a",
  "\b": "\\b",
  "\t": "\\t",
  "\n": "\\n",
  "\v": "\\v",
  "\f": "\\f",
  "\r": "\\r",
  "\x1b": "\\e",
  "\x85": "\\N",
  "\u2028": "\\L",
  "\u2029": "\\P",
};

function escaped(character: string): string {
  const short = shortEscapes[character];
  if (short !== undefined) return short;
  const code = character.codePointAt(0) ?? 0;
  const hex = (digits: number): string => code.toString(16).toUpperCase().padStart(digits, "0");
  return code <= 0xff ? `\\x${hex(2)}` : code <= 0xffff ? `\\u${hex(4)}` : `\\U${hex(8)}`;
}

/**
 * Reads what any Spack since 0.19 wrote (block or flow style, any order of keys).
 * @param subject the archive, for messages
 * @throws Failure `archive.metadata-invalid`
 */
export function decodeBinaryDistribution(bytes: Uint8Array, subject: string): BinaryDistribution {
  const fields = asRecord(parseYaml(bytes, subject), subject, "it");
  const text = (key: string): string => asText(fields[key], subject, key);
  const list = (key: string): readonly string[] => {
    const value = fields[key] ?? [];
    if (!Array.isArray(value)) throw invalid(subject, `${key} is no list`);
    return value.map((item: unknown) => asText(item, subject, key));
  };
  return {
    sbangInstallPath: asPath(text("sbang_install_path"), subject),
    buildPath: asPath(text("buildpath"), subject),
    spackPrefix: text("spackprefix"),
    relativePrefix: text("relative_prefix"),
    hardlinksDeduped: fields["hardlinks_deduped"] === "true",
    hashToPrefix: hashToPrefix(fields, subject),
    relocateBinaries: list("relocate_binaries"),
    relocateLinks: list("relocate_links"),
    relocateTextFiles: list("relocate_textfiles"),
  };
}

/** Before 0.20 the map was the other way round: `prefix_to_hash`. */
function hashToPrefix(
  fields: Readonly<Record<string, unknown>>,
  subject: string,
): ReadonlyMap<string, string> {
  const older = fields["hash_to_prefix"] === undefined;
  const key = older ? "prefix_to_hash" : "hash_to_prefix";
  const pairs = Object.entries(asRecord(fields[key] ?? {}, subject, key)).map(
    ([name, value]) => [name, asText(value, subject, key)] as const,
  );
  const prefixes = older ? pairs.map(([prefix, hash]) => [hash, prefix] as const) : pairs;
  for (const [, prefix] of prefixes) asPath(prefix, subject);
  return new Map(prefixes);
}

function parseYaml(bytes: Uint8Array, subject: string): unknown {
  try {
    // Each scalar is a string whatever it looks like: paths that read as numbers stay paths.
    return parse(new TextDecoder().decode(bytes), { schema: "failsafe", maxAliasCount: 0 });
  } catch (cause) {
    throw invalid(subject, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function asRecord(value: unknown, subject: string, key: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalid(subject, `${key} is no mapping`);
  return { ...value };
}

function asText(value: unknown, subject: string, key: string): string {
  if (typeof value !== "string")
    throw invalid(subject, `${key} is ${value === undefined ? "missing" : "no text"}`);
  return value;
}

/** What is looked for in every file must be a path, and not the root directory. */
function asPath(text: string, subject: string): string {
  if (/^\/[^\0\n]*[^\0\n/]$/.test(text)) return text;
  throw invalid(subject, `${JSON.stringify(text)} is no absolute path of a directory`);
}

function invalid(subject: string, found: string, cause?: unknown): Failure {
  return new Failure("corrupt", `cannot read ${binaryDistributionName} of ${subject}: ${found}`, {
    code: "archive.metadata-invalid",
    subject,
    cause,
  });
}
