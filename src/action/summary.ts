import { redactUrl } from "../base/redact.js";
import { formatDuration, formatSize } from "../base/quantity.js";
import type { Published } from "./publish.js";
import type { Restored } from "./restore.js";

export interface Report {
  readonly mirror: string;
  readonly restored: Restored;
  /** undefined: nothing was to be pushed, for this reason. */
  readonly published: Published | { readonly why: string };
}

/** Longest lists that are shown whole: a summary may have 1 MiB. */
const mostListed = 200;

/** The job's summary, as GitHub's Markdown. */
export function summaryOf({ mirror, restored, published }: Report): string {
  const { installed, present, missing, bytes, milliseconds } = restored;
  const pushed = "pushed" in published ? published : undefined;
  const failures = [restored.failure, pushed?.failure].filter((text) => text !== undefined);
  return [
    `### Binaries of ${code(redactUrl(mirror))}`,
    "",
    "| | packages | size | time |",
    "|---|--:|--:|--:|",
    `| restored | ${installed} | ${formatSize(bytes)} | ${formatDuration(milliseconds)} |`,
    `| there already | ${present} | | |`,
    `| missing | ${missing.length} | | |`,
    ...(pushed === undefined
      ? []
      : [
          `| pushed | ${pushed.pushed.length} | ${formatSize(pushed.bytes)} | ${formatDuration(pushed.milliseconds)} |`,
        ]),
    ...("why" in published ? ["", `Nothing was pushed: ${text(published.why)}.`] : []),
    ...failures.flatMap((failure) => ["", `> **Failed:** ${text(failure)}`]),
    ...details("Missing", missing.map(code)),
    ...details(
      "Pushed",
      (pushed?.pushed ?? []).map(({ tag, manifest }) => `${code(tag)} ${code(manifest)}`),
    ),
    ...(pushed?.image === undefined
      ? []
      : ["", `Image ${code(pushed.image.tag)} ${code(pushed.image.digest)}`]),
    "",
  ].join("\n");
}

function details(title: string, items: readonly string[]): readonly string[] {
  if (items.length === 0) return [];
  const rest = items.length - mostListed;
  return [
    "",
    `<details><summary>${title}: ${items.length}</summary>`,
    "",
    ...items.slice(0, mostListed).map((item) => `- ${item}`),
    ...(rest > 0 ? [`- and ${rest} more`] : []),
    "",
    "</details>",
  ];
}

/** Names come from registries and lockfiles: they are shown, not interpreted. */
const code = (name: string): string => `\`${name.replaceAll("`", "'").replace(/\s+/g, " ")}\``;
const text = (words: string): string =>
  words
    .replace(/\s+/g, " ")
    .replace(/[&<>]/g, (found) => ({ "&": "&amp;", "<": "&lt;" })[found] ?? "&gt;")
    .replace(/[\\`*_[\]|@#]/g, (found) => `\\${found}`);
