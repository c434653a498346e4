import type { Figures, Judged, Result, Spread } from "./harness.js";

/** One line for a terminal. */
export function lineOf(file: string, result: Result): string {
  const { name, ours, peer, theirs, ratio, processorRatio, perSecond, demands } = result;
  const rate = perSecond === undefined ? "" : ` (${rounded(perSecond.count)} ${perSecond.unit}/s)`;
  const parts = [`${file}: ${name}: ${figuresText(ours)}${rate}`];
  if (peer?.missing) parts.push(`${peer.name}: skipped, it is missing`);
  else if (peer !== undefined && theirs !== undefined) parts.push(`${peer.name}: ${figuresText(theirs)}`);
  if (ratio !== undefined) parts.push(ratioText(ratio, processorRatio));
  parts.push(...demands.map(judgedText));
  return parts.join("; ");
}

/** A run as Markdown, to be kept. */
export function tableOf(
  results: readonly { readonly file: string; readonly result: Result }[],
  { machine, date }: { readonly machine: string; readonly date: string },
): string {
  const rows = results.map(({ file, result }) => {
    const { name, ours, peer, theirs, ratio, processorRatio, demands } = result;
    return [
      `${file}: ${name}`,
      figuresText(ours),
      peer === undefined
        ? ""
        : peer.missing
          ? `${peer.name}: missing`
          : `${peer.name}: ${theirs && figuresText(theirs)}`,
      ratio === undefined ? "" : ratioText(ratio, processorRatio),
      demands.map(judgedText).join("; "),
    ];
  });
  return [
    `# Benchmarks, ${date}`,
    "",
    machine,
    "",
    "Medians (least to most) of the rounds, ours and the peer's in turns; `cpu`: seconds of processors;",
    "ratios are ours over the peer's, the median pair by pair.",
    "",
    ...[["what", "stowage", "beside", "ratio", "demand"], ["---", "---", "---", "---", "---"], ...rows].map(
      (cells) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`,
    ),
    "",
  ].join("\n");
}

function figuresText({ milliseconds, processors, memory, size }: Figures): string {
  return [
    spreadText(milliseconds, duration),
    processors && `${seconds(processors.median)} cpu`,
    memory && megabytes(memory.most),
    size && `${rounded(size.median)} bytes`,
  ]
    .filter((text) => text !== undefined)
    .join(", ");
}

function ratioText(ratio: Spread, processors: Spread | undefined): string {
  const cpu = processors === undefined ? "" : `, cpu ${processors.median.toFixed(2)} x`;
  return `${ratio.median.toFixed(2)} x (${ratio.least.toFixed(2)}–${ratio.most.toFixed(2)})${cpu}`;
}

function judgedText({ demand, found, met }: Judged): string {
  const [limit, text] = ((): [string, (found: number) => string] => {
    const times = (number: number) => `${number.toFixed(2)} x`;
    if ("times" in demand) return [times(demand.times), times];
    if ("size" in demand) return [`${times(demand.size)} in size`, times];
    if ("milliseconds" in demand) return [duration(demand.milliseconds), duration];
    if ("memory" in demand) return [megabytes(demand.memory), megabytes];
    return [`${demand.secondsMore} s more`, (more) => `${more.toFixed(2)} s`];
  })();
  const verdict = found === undefined ? "not told" : `${text(found)}, ${met ? "met" : "MISSED"}`;
  return `at most ${limit}: ${verdict}`;
}

function spreadText({ median, least, most }: Spread, text: (number: number) => string): string {
  return least === most ? text(median) : `${text(median)} (${text(least)}–${text(most)})`;
}

const duration = (ms: number): string => (ms < 1000 ? `${ms.toPrecision(3)} ms` : seconds(ms / 1000));
const seconds = (number: number): string => `${number.toFixed(number < 1 ? 3 : 2)} s`;
const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
const rounded = (number: number): string => number.toLocaleString("en", { maximumSignificantDigits: 3 });
