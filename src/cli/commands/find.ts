import { Option } from "commander";
import { find } from "../../app/find.js";
import { type CommandDefinition, examples } from "../command.js";
import { plural } from "../format.js";
import { sortSpecs } from "../../spec/sort.js";
import { addLookOptions, lookOf, specDocument, specList } from "../spec-list.js";

export const findCommand: CommandDefinition = {
  define(command) {
    command.argument("[specs...]", "only packages that match one of these");
    addLookOptions(command);
    command
      .option("-f, --show-flags", "show compiler flags")
      .option("-p, --paths", "show prefixes")
      .option("-d, --deps", "show what each depends on")
      .option("-H, --hashes", "print only /HASH, one a line")
      .addOption(new Option("-x, --explicit", "only what was asked for").conflicts("implicit"))
      .option("-X, --implicit", "only what came along as a dependency")
      .option("--external", "only externals")
      .option("--sysroot <dir>", "the store's paths are below this directory: a container's file system")
      .option("--no-groups", "one list, without architectures and compilers");
    examples(command, [
      ["stowage find", "all that is installed"],
      ["stowage find -lv 'hdf5+mpi ^zlib@1.3:'", "hashes and variants of what matches"],
      ["stowage find --store /opt/spack -p greet", "where it is"],
    ]);
  },
  async run({ given, options, terminal }) {
    const { root, packages, graph } = await find(given.specs(0), {
      ...options,
      explicit: given.flag("explicit") ?? (given.flag("implicit") === true ? false : undefined),
      external: given.flag("external"),
      sysroot: given.text("sysroot"),
    });
    return {
      document: {
        store: root,
        packages: packages.map(({ spec, prefix, explicit, installationTime }) => ({
          ...specDocument(spec),
          prefix,
          explicit,
          installationTime,
        })),
      },
      lines(paint) {
        if (given.flag("hashes") === true)
          return sortSpecs(packages, ({ spec }) => spec).map(({ spec }) => `/${spec.hash}`);
        const items = packages.map(({ spec, prefix }) => ({
          spec,
          note: given.flag("paths") === true ? prefix : undefined,
        }));
        const width = terminal.isTty.out ? terminal.columns : undefined;
        const lines = specList(items, graph, { look: lookOf(given), paint, width });
        return terminal.isTty.out ? [...lines, `==> ${plural(packages.length, "installed package")}`] : lines;
      },
    };
  },
};
