import { describe, expect, test } from "vitest";
import { Failure } from "../base/failure.js";
import type { Task } from "../base/progress.js";
import { columns, formatDuration, formatSize, table } from "./format.js";
import { createProgress } from "./progress.js";
import { openTerminal, type Terminal } from "./terminal.js";

function terminal(isTTY: boolean): { terminal: Terminal; written: () => string } {
  let text = "";
  const stderr = {
    isTTY,
    write(part: string | Uint8Array) {
      text += String(part);
      return true;
    },
  };
  const made = openTerminal({ stdout: { ...stderr, columns: 60 }, stderr }, { color: "never", env: {} });
  return { terminal: made, written: () => text };
}

const task: Task = { id: "1", verb: "pack", subject: "zlib@1.3/abcdefg", bytes: 2048 };

describe("progress", () => {
  test("elsewhere than on a screen it is a line for each finished task, without control characters", () => {
    const { terminal: to, written } = terminal(false);
    const progress = createProgress(to, { verbose: false });
    progress.report({ type: "planned", tasks: 2, bytes: 4096 });
    progress.report({ type: "started", task });
    progress.report({ type: "advanced", task, bytes: 2048 });
    progress.report({ type: "finished", task, outcome: "pushed" });
    const failure = new Failure("denied", "no access", { code: "x" }).toJSON();
    progress.report({ type: "failed", task: { ...task, id: "2", verb: "upload" }, failure });
    progress.report({ type: "note", level: "warning", message: "slow" });
    progress.close();
    expect(written().replace(/\d+ ms/, "N ms")).toBe(
      "2 tasks to do, 4.0 KiB\npack zlib@1.3/abcdefg: pushed, 2.0 KiB, N ms\n" +
        "failed: upload zlib@1.3/abcdefg: no access\nwarning: slow\n",
    );
  });

  test("on a screen it draws over itself, never wider than the screen, and leaves nothing behind", async () => {
    const { terminal: to, written } = terminal(true);
    const progress = createProgress(to, { verbose: false });
    progress.report({ type: "planned", tasks: 20 });
    for (let i = 0; i < 20; i++)
      progress.report({ type: "started", task: { ...task, id: `${i}`, subject: "x".repeat(200) } });
    await new Promise((resolve) => setTimeout(resolve, 250));
    progress.close();
    const lines = written().split("\n");
    expect(lines[0]).toBe(`[${"-".repeat(24)}] 0/20`);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(60);
    expect(written()).toContain("and 14 more");
    expect(written().endsWith("\u001b[8A\u001b[0J")).toBe(true);
  });
});

describe("formats", () => {
  test.each([
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.0 KiB"],
    [1536, "1.5 KiB"],
    [102_400, "100 KiB"],
    [1_048_576, "1.0 MiB"],
    [3 * 1024 ** 4, "3.0 TiB"],
    [5000 * 1024 ** 4, "5000 TiB"],
  ])("%i bytes are %s", (bytes, text) => expect(formatSize(bytes)).toBe(text));

  test.each([
    [0, "0 ms"],
    [999.4, "999 ms"],
    [1500, "1.5 s"],
    [59_949, "59.9 s"],
    [59_999, "1 min 00 s"],
    [185_000, "3 min 05 s"],
  ])("%i ms are %s", (ms, text) => expect(formatDuration(ms)).toBe(text));

  test("tables align what is seen, not what colours", () => {
    expect(
      table([
        ["\u001b[1ma\u001b[0m", "x"],
        ["long", "y"],
      ]),
    ).toEqual(["\u001b[1ma\u001b[0m     x", "long  y"]);
  });

  test("columns are filled from top to bottom, and fit", () => {
    expect(columns(["aa", "b", "c", "d", "e"], 9)).toEqual(["aa  c  e", "b   d"]);
    expect(columns(["aa", "b"], 1)).toEqual(["aa", "b"]);
    expect(columns([], 80)).toEqual([]);
  });
});
