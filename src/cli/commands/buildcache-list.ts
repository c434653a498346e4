import { list } from "../../app/buildcache.js";
import { type CommandDefinition, examples } from "../command.js";
import { plural } from "../format.js";
import { addLookOptions, lookOf, specDocument, specList } from "../spec-list.js";

export const buildcacheList: CommandDefinition = {
  define(command) {
    command
      .argument("[specs...]", "only packages that match one of these")
      .option("-m, --mirror <mirror>", "only this mirror, a name or a URL (else all)");
    addLookOptions(command);
    command
      .option("-a, --allarch", "packages of all architectures (always so)")
      .option("-p, --mirrors", "show which mirrors have each");
    examples(command, [
      ["stowage buildcache list", "all that the configured mirrors have"],
      ["stowage buildcache list -m oci://ghcr.io/me/cache -l 'zlib@1.3:'", "hashes of what matches"],
    ]);
  },
  async run({ given, options, terminal }) {
    const { packages, graph } = await list({
      ...options,
      mirror: given.text("mirror"),
      specs: given.specs(0),
    });
    return {
      // Read where it is asked for: it takes all there is to know of each package.
      get document() {
        return { packages: packages.map(({ spec, mirrors }) => ({ ...specDocument(spec), mirrors })) };
      },
      lines(paint) {
        const items = packages.map(({ spec, mirrors }) => ({
          spec,
          note: given.flag("mirrors") === true ? mirrors.join(", ") : undefined,
        }));
        const width = terminal.isTty.out ? terminal.columns : undefined;
        const lines = specList(items, graph, { look: lookOf(given), paint, width });
        return terminal.isTty.out ? [`==> ${plural(packages.length, "cached build")}`, ...lines] : lines;
      },
    };
  },
};
