import { download, saveSpecFiles } from "../../app/download.js";
import { Failure } from "../../base/failure.js";
import { type CommandDefinition, examples } from "../command.js";
import type { Given } from "../given.js";

export const buildcacheDownload: CommandDefinition = {
  define(command) {
    command
      .option("-s, --spec <spec>", "the package: /7i7xbvp, zlib@1.3")
      .option("-p, --path <dir>", "folder to write its spec and its tarball to")
      .option("-m, --mirror <mirror>", "only from this mirror, a name or a URL (else all)");
    examples(command, [["stowage buildcache download -s /7i7xbvp -p .", "spec and tarball, verified"]]);
  },
  async run({ given, options }) {
    const mirror = given.text("mirror");
    const result = await download(demand(given, "spec"), demand(given, "path"), { ...options, mirror });
    return { document: result, lines: () => result.files };
  },
};

export const buildcacheSaveSpecfile: CommandDefinition = {
  define(command) {
    command
      .option("--root-spec <spec>", "the package, as mirrors have it")
      .option("-s, --specs <specs>", "of what it depends on only what matches one of these")
      .option("--specfile-dir <dir>", "folder to write a NAME.json for each to")
      .option("-m, --mirror <mirror>", "only from this mirror, a name or a URL (else all)");
    examples(command, [
      ["stowage buildcache save-specfile --root-spec hdf5 -s 'zlib mpi' --specfile-dir specs", "two files"],
    ]);
  },
  async run({ given, options }) {
    const result = await saveSpecFiles(demand(given, "rootSpec"), demand(given, "specfileDir"), {
      ...options,
      specs: [demand(given, "specs")],
      mirror: given.text("mirror"),
    });
    return { document: result, lines: () => result.files };
  },
};

function demand(given: Given, name: string): string {
  const value = given.text(name);
  if (value !== undefined) return value;
  const option = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  throw new Failure("usage", `--${option} is missing`, { code: "cli.option-missing", hint: "See --help." });
}
