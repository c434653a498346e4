import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const exec = promisify(execFile);

/** A GnuPG home of real keys, made by the real program, and gone when the test is over. */
export interface GpgHome extends AsyncDisposable {
  readonly home: string;
  /** Runs gpg in it. `at` moves its clock. */
  gpg(args: readonly string[], run?: { input?: string | Uint8Array; at?: string }): Promise<Buffer>;
  /** Makes an Ed25519 key that signs, and gives its fingerprint. */
  create(name: string, options?: { expires?: string; at?: string; usage?: string }): Promise<string>;
  clearsign(text: string, key: string, options?: { at?: string; args?: readonly string[] }): Promise<Buffer>;
  revoke(fingerprint: string): Promise<void>;
}

export async function makeGpgHome(): Promise<GpgHome> {
  const home = mkdtempSync(join(tmpdir(), "gpg-"));
  const gpg: GpgHome["gpg"] = (args, { input = "", at } = {}) => {
    const clock = at === undefined ? [] : ["--faked-system-time", `${at}!`];
    const all = [
      "--homedir",
      home,
      "--batch",
      "--yes",
      "--no-tty",
      "--quiet",
      "--passphrase",
      "",
      ...clock,
      ...args,
    ];
    const promise = exec("gpg", all, { encoding: "buffer", env: { ...process.env, LC_ALL: "C" } });
    promise.child.stdin?.on("error", () => {}).end(input);
    return promise.then(({ stdout }) => stdout);
  };
  return {
    home,
    gpg,
    async create(name, { expires = "never", at, usage = "sign" } = {}) {
      const before = await fingerprints();
      await gpg(
        ["--quick-gen-key", `${name} <${name}@example.com>`, "ed25519", usage, expires],
        at ? { at } : {},
      );
      const made = (await fingerprints()).find((one) => !before.includes(one));
      if (made === undefined) throw new Error(`no key for ${name}`);
      return made;
    },
    clearsign: (text, key, { at, args = [] } = {}) =>
      gpg(["--local-user", key, ...args, "--clearsign"], { input: text, ...(at ? { at } : {}) }),
    async revoke(fingerprint) {
      const folder = join(home, "openpgp-revocs.d");
      const file = readdirSync(folder).find((name) => name.startsWith(fingerprint));
      // GnuPG puts a colon before the armor, so that nobody revokes a key by mistake.
      const certificate = readFileSync(join(folder, file ?? ""), "utf8").replace(":-----BEGIN", "-----BEGIN");
      await gpg(["--import"], { input: certificate });
    },
    async [Symbol.asyncDispose]() {
      await exec("gpgconf", ["--homedir", home, "--kill", "gpg-agent"]).catch(() => {});
      rmSync(home, { recursive: true, force: true });
    },
  };

  async function fingerprints(): Promise<readonly string[]> {
    const list = (await gpg(["--with-colons", "--list-keys"]).catch(() => Buffer.alloc(0))).toString();
    return [...list.matchAll(/^fpr:+([0-9A-F]+):/gm)].flatMap(([, one]) => one ?? []);
  }
}
