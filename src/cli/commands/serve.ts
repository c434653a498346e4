import { appendFileSync } from "node:fs";
import { checkRegistry, collectRegistry, type Served, serve } from "../../app/serve.js";
import { Failure } from "../../base/failure.js";
import { type Answer, type CommandDefinition, examples, type Invocation } from "../command.js";
import { formatSize, plural } from "../format.js";

export const serveCommand: CommandDefinition = {
  define(command) {
    command
      .option("--root <dir>", "directory of the repositories (else in memory, gone at the end)")
      .option("--listen <address>", "HOST:PORT; port 0 is any that is free (default 127.0.0.1:5000)")
      .option("--tls-cert <file>", "certificate with its chain (PEM), to serve HTTPS")
      .option("--tls-key <file>", "key of the certificate (PEM)")
      .option("--htpasswd <file>", "users who may log in, as `htpasswd -B` writes them")
      .option("--token", "give and ask for tokens, as Docker Hub does")
      .option("--anonymous-pull", "pulls need no login")
      .option("--read-only", "refuse pushes and deletions")
      .option("--public-url <url>", "how clients reach it, where a proxy stands between")
      .option("--access-log <file>", "append a JSON line for each request (- for stdout)")
      .option("--fsck", "read everything below the root, tell what is broken, and end")
      .option("--repair", "with --fsck: remove what is broken, so that it can be pushed again")
      .option("--gc", "remove blobs that nothing refers to from the root, and end")
      .option("--gc-grace <hours>", "keep blobs that were pushed or asked for since (default 24)");
    examples(command, [
      ["stowage serve --root /srv/registry", "push to oci+http://localhost:5000/NAME"],
      ["stowage serve --root . --htpasswd users --anonymous-pull", "everybody pulls, users push"],
      ["stowage serve --root /srv/registry --fsck", "check it after a crash of the machine"],
    ]);
  },
  async run(call) {
    const { given } = call;
    if (given.flag("fsck") === true) return check(call);
    if (given.flag("gc") === true) return collect(call);
    for (const [option, of] of [
      ["repair", "fsck"],
      ["gcGrace", "gc"],
    ] as const)
      if (given.flag(option) === true || given.text(option) !== undefined)
        throw new Failure("usage", `this is told of --${of}, which was not given`, {
          code: "cli.usage",
          hint: `Add --${of}: while it is served, a registry is neither mended nor swept.`,
        });
    return serveUntilStopped(call);
  },
};

async function serveUntilStopped({ given, options, terminal }: Invocation): Promise<Answer> {
  const logFile = given.text("accessLog");
  const server: Served = await serve({
    ...options,
    dedicated: true,
    root: given.text("root"),
    listen: given.text("listen"),
    tlsCert: given.text("tlsCert"),
    tlsKey: given.text("tlsKey"),
    htpasswd: given.text("htpasswd"),
    token: given.flag("token"),
    anonymousPull: given.flag("anonymousPull"),
    readOnly: given.flag("readOnly"),
    publicUrl: given.text("publicUrl"),
    log:
      logFile === undefined
        ? undefined
        : (line) => (logFile === "-" ? terminal.out(`${line}\n`) : appendFileSync(logFile, `${line}\n`)),
    onError: (error) => terminal.err(`${error instanceof Error ? (error.stack ?? error.message) : error}\n`),
  });
  terminal.err(`Serving ${given.text("root") ?? "from memory"} at ${server.url}\n`);
  await new Promise<void>((resolve) => {
    if (options.signal?.aborted) resolve();
    else options.signal?.addEventListener("abort", () => resolve(), { once: true });
  });
  terminal.err("Stopping: requests under way have ten seconds to end.\n");
  await server.close();
  return { document: { url: server.url }, lines: () => [] };
}

async function check({ given, options }: Invocation): Promise<Answer> {
  const repair = given.flag("repair");
  const report = await checkRegistry(rootOf(given), { ...options, repair });
  const { repositories, manifests, blobs, problems } = report;
  return {
    document: report,
    lines: (paint) => [
      ...problems.map(
        ({ repository, digest, problem }) =>
          `${paint("red", digest === undefined ? repository : `${repository}@${digest}`)}: ${problem}`,
      ),
      `${plural(repositories, "repository").replace("repositorys", "repositories")}, ${plural(manifests, "manifest")}, ${plural(blobs, "blob")}: ${plural(problems.length, "problem")}`,
    ],
    failure:
      problems.length === 0
        ? undefined
        : new Failure("corrupt", `${plural(problems.length, "problem")} below ${rootOf(given)}`, {
            code: "server.broken",
            subject: rootOf(given),
            hint:
              repair === true
                ? "Push what is missing again."
                : "Remove what is broken with --fsck --repair, and push it again.",
          }),
  };
}

async function collect({ given, options }: Invocation): Promise<Answer> {
  const hours = given.count("gcGrace", 0) ?? 24;
  const swept = await collectRegistry(rootOf(given), { ...options, grace: hours * 3600 * 1000 });
  return {
    document: swept,
    lines: () => [
      `Removed ${plural(swept.blobs, "blob")} and ${plural(swept.uploads, "unfinished upload")}, ${formatSize(swept.bytes)}.`,
    ],
  };
}

function rootOf(given: Invocation["given"]): string {
  const root = given.text("root");
  if (root !== undefined) return root;
  throw new Failure("usage", "which registry is not said", {
    code: "cli.usage",
    hint: "Name its directory with --root.",
  });
}
