import { expect, test } from "vitest";
import { nodeAt } from "./node.js";
import { parseConfig } from "./parse.js";
import { permissionsOf } from "./permissions.js";

const of = (name: string, text: string) => {
  const root = parseConfig(text, { file: "F", scope: "s" });
  return permissionsOf(name, { packages: nodeAt(root, ["packages"]), config: nodeAt(root, ["config"]) });
};

test("without a word, all read and the owner writes", () => {
  expect(of("zlib", "{}")).toEqual({ directory: 0o2755, file: 0o755, group: undefined });
});

test("what is said of a package comes before what is said of all, key by key", () => {
  const text = `
packages:
  all: {permissions: {read: group, group: hpc}}
  zlib: {permissions: {write: group}}
  licensed: {permissions: {read: user, group: vip}}
`;
  expect(of("zlib", text)).toEqual({ directory: 0o2770, file: 0o770, group: "hpc" });
  expect(of("other", text)).toEqual({ directory: 0o2750, file: 0o750, group: "hpc" });
  expect(of("licensed", text)).toEqual({ directory: 0o700, file: 0o700, group: "vip" });
});

test("config:allow_sgid: false leaves the bit away", () => {
  expect(of("zlib", "config: {allow_sgid: false}").directory).toBe(0o755);
});

test("more writers than readers are refused", () => {
  const text = "packages:\n  all: {permissions: {read: user, write: group}}\n";
  expect(() => of("zlib", text)).toThrow(expect.objectContaining({ code: "config.permissions-conflict" }));
});
