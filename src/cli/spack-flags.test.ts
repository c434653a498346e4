import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { createProgram } from "./program.js";
import { spackFlags } from "./spack-flags.js";

const recorded: unknown = JSON.parse(
  readFileSync(new URL("../../test/fixtures/spack-flags.json", import.meta.url), "utf8"),
);
const program = createProgram({ version: "", onHelp: () => {}, run: async () => {} });

test("every option of Spack's mirror and buildcache is taken, or refused with the reason", async () => {
  const commands = await spackFlags(program, recorded);
  expect(commands.length).toBeGreaterThan(20);
  const lacking = commands.flatMap(({ name, flags }) =>
    flags === undefined
      ? [name]
      : flags.filter(({ fate }) => fate.type === "unknown").map(({ names }) => `${name} ${names.join(" ")}`),
  );
  expect(lacking).toEqual([]);
});
