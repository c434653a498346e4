import { referrers } from "../../app/referrers.js";
import { type CommandDefinition, examples } from "../command.js";
import { formatSize } from "../format.js";
import type { Style } from "../terminal.js";

export const referrersCommand: CommandDefinition = {
  define(command) {
    command.argument("<image>", "ghcr.io/me/app:1, oci://…, oci+http://…@sha256:…, oci:DIR:TAG");
    examples(command, [
      ["stowage referrers ghcr.io/me/cache:tools", "as it is found: who says so is not verified"],
      ["stowage referrers --json ghcr.io/me/cache:tools", "for programs"],
    ]);
  },
  async run({ given, options }) {
    const result = await referrers(given.argument(0), options);
    return {
      document: result,
      *lines(paint) {
        yield `${result.name}  ${result.digest}`;
        yield* branches(result.referrers, "", paint);
        if (result.referrers.length === 0) yield "nothing refers to it";
      },
    };
  },
};

type Referrer = Awaited<ReturnType<typeof referrers>>["referrers"][number];

function* branches(
  found: readonly Referrer[],
  indent: string,
  paint: (style: Style, text: string) => string,
): Iterable<string> {
  for (const [i, one] of found.entries()) {
    const isLast = i === found.length - 1;
    const about = [
      one.predicateTypes.length > 0 ? one.predicateTypes.join(", ") : one.type,
      formatSize(one.size),
      ...(one.signers.length > 0 ? [`by ${one.signers.join(", ")}`] : []),
      ...(one.created === undefined ? [] : [`at ${one.created}`]),
      ...(one.broken === undefined ? [] : [paint("red", `unreadable: ${one.broken}`)]),
    ];
    yield `${indent}${isLast ? "└── " : "├── "}${one.kind}  ${about.filter((text) => text !== undefined).join(", ")}`;
    yield `${indent}${isLast ? "    " : "│   "}${one.tag ?? one.digest}`;
    yield* branches(one.referrers, `${indent}${isLast ? "    " : "│   "}`, paint);
  }
}
