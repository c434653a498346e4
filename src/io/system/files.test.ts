import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { systemFiles } from "./files.js";

const scratch = mkdtempSync(join(tmpdir(), "stowage-files-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test("list() names what is not UTF-8, and each method takes such a name", () => {
  const directory = join(scratch, "odd");
  mkdirSync(directory);
  const path = `${directory}/odd-\udcff`;
  {
    using file = systemFiles.create(path, 0o644);
    file.write(Buffer.from("content"));
  }
  systemFiles.symlink("odd-\udcff", `${directory}/link`);
  systemFiles.link(path, `${directory}/\udc80`);
  expect(systemFiles.list(directory).toSorted((a, b) => (a.name < b.name ? -1 : 1))).toEqual([
    { name: "link", type: "symlink" },
    { name: "odd-\udcff", type: "file" },
    { name: "\udc80", type: "file" },
  ]);
  expect(systemFiles.readLink(`${directory}/link`)).toBe("odd-\udcff");
  expect(systemFiles.stat(path)).toMatchObject({ type: "file", size: 7, mode: 0o644 });
  expect(systemFiles.stat(path)?.identity).toBe(systemFiles.stat(`${directory}/\udc80`)?.identity);
  systemFiles.rename(path, `${directory}/\udcfe`);
  systemFiles.remove(`${directory}/\udcfe`);
  systemFiles.remove(`${directory}/\udcfe`);
  expect(systemFiles.stat(path)).toBeUndefined();
});

test("create() writes no file that is there, and through no link", () => {
  const [there, elsewhere] = [join(scratch, "there"), join(scratch, "elsewhere")];
  writeFileSync(there, "kept");
  symlinkSync(elsewhere, join(scratch, "dangling"));
  const refusal = expect.objectContaining({ kind: "conflict", code: "disk.exists" });
  expect(() => systemFiles.create(there, 0o644)).toThrow(refusal);
  expect(() => systemFiles.create(join(scratch, "dangling"), 0o644)).toThrow(refusal);
  expect(readFileSync(there, "utf8")).toBe("kept");
  expect(existsSync(elsewhere)).toBe(false);
});

test("open() reads through no link", () => {
  symlinkSync("/etc/hostname", join(scratch, "out"));
  expect(() => systemFiles.open(join(scratch, "out"))).toThrow(
    expect.objectContaining({ code: "disk.is-link" }),
  );
});

test("a failure names the path, and keeps the system's error", () => {
  const path = join(scratch, "missing", "file");
  expect(() => systemFiles.open(path)).toThrow(
    expect.objectContaining({
      message: `cannot read ${path}: it does not exist`,
      kind: "not-found",
      subject: path,
      cause: expect.objectContaining({ code: "ENOENT" }),
    }),
  );
});
