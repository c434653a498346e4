import { diff, tree, why } from "../../app/graph-queries.js";
import { Failure } from "../../base/failure.js";
import { isDependencyType } from "../../spec/dependency-types.js";
import { formatShort } from "../../spec/format-concrete.js";
import { type CommandDefinition, examples, repeatable } from "../command.js";
import { specDocument } from "../spec-list.js";

const mirrorOption = ["-m, --mirror <mirror>", "look into this mirror's index instead of the store"] as const;

export const treeCommand: CommandDefinition = {
  define(command) {
    command
      .argument("<spec...>", "a package")
      .option(...mirrorOption)
      .option("-t, --types", "show the types of dependencies")
      .addOption(
        repeatable("--deptype <type>", "only dependencies of this type (repeatable)", [
          "build",
          "link",
          "run",
          "test",
        ]),
      );
    examples(command, [
      ["stowage tree greet", "all it was made of; [+] is installed, [e] external"],
      ["stowage tree --deptype link --deptype run hdf5", "what it needs to run"],
    ]);
  },
  async run({ given, options }) {
    const types = given.texts("deptype").filter(isDependencyType);
    const nodes = await tree(given.specs(0).join(" "), {
      ...options,
      mirror: given.text("mirror"),
      types: types.length === 0 ? undefined : types,
    });
    const marks = { present: ["green", "[+]"], external: ["cyan", "[e]"], known: ["dim", " - "] } as const;
    return {
      document: {
        nodes: nodes.map(({ spec, ...about }) => ({ ...specDocument(spec), ...about })),
      },
      lines: (paint) =>
        nodes.map(({ spec, depth, types: edges, state }) => {
          const letters = ["build", "link", "run", "test"].map((type) =>
            edges.some((edge) => edge === type) ? (type[0] ?? "") : " ",
          );
          const [style, mark] = marks[state];
          return [
            paint(style, mark),
            paint("dim", spec.hash.slice(0, 7)),
            ...(given.flag("types") === true ? [`[${letters.join("")}]`] : []),
            `${"    ".repeat(depth)}${depth > 0 ? "^" : ""}${spec.name}${paint("cyan", `@${spec.version}`)}`,
          ].join("  ");
        }),
    };
  },
};

export const diffCommand: CommandDefinition = {
  define(command) {
    command
      .argument("<a>", "a package")
      .argument("<b>", "another")
      .option(...mirrorOption);
    examples(command, [
      ["stowage diff /fnjwovn /7i7xbvp", "what differs, in the words of `spack diff`"],
      ["stowage diff -m main hdf5+mpi hdf5~mpi", "of two packages in a mirror"],
    ]);
  },
  async run({ given, options }) {
    const asked = [given.argument(0), given.argument(1)] as const;
    const { a, b, differences } = await diff(asked, { ...options, mirror: given.text("mirror") });
    return {
      document: { a: specDocument(a), b: specDocument(b), differences },
      *lines(paint) {
        yield paint("red", `--- ${formatShort(a, 32)}`);
        yield paint("green", `+++ ${formatShort(b, 32)}`);
        if (differences.length === 0) yield "No differences";
        for (const { attribute, removed, added } of differences) {
          yield paint("bold", `@ ${attribute} @`);
          for (let i = 0; i < Math.max(removed.length, added.length); i += 1) {
            if (removed[i] !== undefined) yield paint("red", `-  ${removed[i]}`);
            if (added[i] !== undefined) yield paint("green", `+  ${added[i]}`);
          }
        }
      },
    };
  },
};

export const whyCommand: CommandDefinition = {
  define(command) {
    command.argument("<spec...>", "packages").option(...mirrorOption);
    examples(command, [
      ["stowage why zlib", "what needs it, and what that was installed for"],
      ["stowage why -m main hdf5@1.14+mpi", "what in a mirror comes nearest, and what differs"],
    ]);
  },
  async run({ given, options }) {
    const spec = given.specs(0).join(" ");
    const mirror = given.text("mirror");
    const { where, reasons, nearest, similarNames } = await why(spec, { ...options, mirror });
    const failure =
      reasons.length > 0
        ? undefined
        : new Failure("not-found", `no package in ${where} matches ${spec}`, {
            code: "spec.no-match",
            subject: spec,
            hint: similarNames.length > 0 ? `Did you mean ${similarNames.join(", ")}?` : undefined,
          });
    return {
      document: {
        where,
        packages: reasons.map(({ spec: one, asked, dependents, ways }) => ({
          ...specDocument(one),
          asked,
          dependents: dependents.map(({ spec: { name, hash }, types }) => ({ name, hash, types })),
          ways: ways.map((way) => way.map(({ name, hash }) => ({ name, hash }))),
        })),
        nearest: nearest.map(({ spec: one, differences }) => ({ ...specDocument(one), differences })),
        similarNames,
      },
      *lines(paint) {
        for (const { spec: one, asked, dependents, ways } of reasons) {
          yield paint("bold", formatShort(one));
          if (asked) yield mirror === undefined ? "  was asked for" : "  no package there needs it";
          for (const way of ways) yield `  needed by ${way.map((step) => formatShort(step)).join(" -> ")}`;
          for (const { spec: user, types } of dependents)
            if (!types.includes("link") && !types.includes("run"))
              yield `  ${types.join(" and ")} dependency of ${formatShort(user)}`;
          if (!asked && ways.length === 0) yield "  nothing that was asked for needs it to run";
        }
        for (const { spec: one, differences } of nearest) {
          yield paint("bold", formatShort(one));
          for (const { wanted, found } of differences) yield `  has ${found ?? "nothing"}, not ${wanted}`;
        }
      },
      failure,
    };
  },
};
