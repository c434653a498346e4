import { listMirrors } from "../../app/mirror.js";
import { redactUrl } from "../../base/redact.js";
import type { Connection, Mirror } from "../../config/mirror.js";
import { type CommandDefinition, examples } from "../command.js";
import { table } from "../format.js";

export const mirrorList: CommandDefinition = {
  define(command) {
    command.option("-l, --long", "show where each is configured, its filters and view");
    examples(command, [
      ["stowage mirror list", "s: sources, b: binaries, in search order"],
      ["stowage mirror list --scope user", "only the user's"],
    ]);
  },
  async run({ given, options, terminal }) {
    const mirrors = await listMirrors(options);
    return {
      document: { mirrors: mirrors.map(documentOf) },
      lines(paint) {
        if (mirrors.length === 0) {
          terminal.err("No mirrors configured.\n");
          return [];
        }
        const rows = table(
          mirrors.map((mirror) => [
            paint("bold", mirror.name),
            `[${mirror.source ? "s" : " "}${mirror.binary ? "b" : " "}]`,
            mirror.signed ? "signed" : "unsigned",
            urlsOf(mirror),
          ]),
        );
        return given.flag("long") === true
          ? rows.flatMap((row, i) => [row, ...details(mirrors[i]).map((line) => `    ${paint("dim", line)}`)])
          : rows;
      },
    };
  },
};

function urlsOf({ fetch, push }: Mirror): string {
  const [from, to] = [fetch, push].map((one) => (one === undefined ? "none" : redactUrl(one.url)));
  return from === to ? (from ?? "") : `fetch: ${from} push: ${to}`;
}

function details(mirror: Mirror | undefined): readonly string[] {
  if (mirror === undefined) return [];
  const { origin, fetch } = mirror;
  return [
    origin === undefined ? [] : [`${origin.scope}: ${origin.file}:${origin.line}`],
    fetch?.view === undefined ? [] : [`view ${fetch.view}`],
    fetch === undefined || fetch.include.length === 0 ? [] : [`only ${fetch.include.join(", ")}`],
    fetch === undefined || fetch.exclude.length === 0 ? [] : [`never ${fetch.exclude.join(", ")}`],
    mirror.autopush ? ["autopush"] : [],
  ].flat();
}

/** Without secrets: of an old `access_pair` only the user is shown. */
function documentOf({ name, fetch, push, source, binary, signed, autopush, origin }: Mirror): object {
  const shown = (connection: Connection | undefined): object | undefined =>
    connection === undefined
      ? undefined
      : {
          ...connection,
          url: redactUrl(connection.url),
          access: connection.access === undefined ? undefined : { ...connection.access, secret: undefined },
        };
  return { name, fetch: shown(fetch), push: shown(push), source, binary, signed, autopush, origin };
}
