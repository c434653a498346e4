import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { readAll, textOf } from "../base/bytes.js";
import { Failure, interrupted } from "../base/failure.js";

/** All of standard input, as text without its last line end. */
export async function readInput(): Promise<string> {
  const bytes = await readAll(process.stdin, { limit: 1024 * 1024, subject: "standard input" });
  const text = textOf(bytes);
  if (text === undefined)
    throw new Failure("usage", "standard input is not UTF-8", { code: "cli.input-invalid" });
  return text.replace(/\r?\n$/, "");
}

/** Asks a person at the terminal. A secret is not shown while it is typed. */
export async function ask(question: string, { secret = false }: { secret?: boolean } = {}): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const reader = createInterface({
    input: process.stdin,
    output: secret ? nowhere : process.stderr,
    terminal: true,
  });
  // Now that the terminal shows nothing of what is typed.
  process.stderr.write(question);
  try {
    return await new Promise((resolve, reject) => {
      reader.once("line", resolve);
      reader.once("SIGINT", () => reject(interrupted()));
      reader.once("close", () => reject(interrupted()));
    });
  } finally {
    reader.close();
    if (secret) process.stderr.write("\n");
  }
}
