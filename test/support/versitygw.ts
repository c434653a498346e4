import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { scratchDirectory } from "./fixtures.js";
import { freePort } from "./peers.js";

/** A real S3 server over a directory, with one bucket; gone at the end of `await using`. */
export async function startVersitygw(
  program: string,
  account: { readonly bucket: string; readonly accessKeyId: string; readonly secretAccessKey: string },
): Promise<AsyncDisposable & { readonly endpoint: string }> {
  const scratch = scratchDirectory();
  const data = join(scratch.path, "data");
  const metadata = join(scratch.path, "metadata");
  mkdirSync(join(data, account.bucket), { recursive: true });
  mkdirSync(metadata);
  const host = `127.0.0.1:${await freePort()}`;
  const server = spawn(program, ["--port", host, "posix", "--sidecar", metadata, data], {
    env: { ROOT_ACCESS_KEY: account.accessKeyId, ROOT_SECRET_KEY: account.secretAccessKey },
    stdio: "ignore",
  });
  const ended = new Promise<void>((resolve) => server.once("exit", () => resolve()));
  const stop = async (): Promise<void> => {
    server.kill("SIGKILL");
    await ended;
    scratch[Symbol.dispose]();
  };
  for (let tries = 0; ; tries += 1) {
    if ((await fetch(`http://${host}/`).catch(() => undefined)) !== undefined)
      return { endpoint: `http://${host}`, [Symbol.asyncDispose]: stop };
    if (tries > 200 || server.exitCode !== null) {
      await stop();
      throw new Error(`versitygw does not answer on ${host}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
