import { spawn } from "node:child_process";
import { type Call, checkInterrupted } from "../../base/call.js";
import { isObject } from "../../base/decode.js";
import { Failure, interrupted } from "../../base/failure.js";

export interface HelperLogin {
  readonly username: string;
  readonly secret: string;
}

/** A program that keeps logins: `docker-credential-NAME` (github.com/docker/docker-credential-helpers). */
export interface Helper {
  readonly program: string;
  /** undefined where it has none for that server. */
  get(server: string, call?: Call): Promise<HelperLogin | undefined>;
  store(server: string, login: HelperLogin, call?: Call): Promise<void>;
  erase(server: string, call?: Call): Promise<void>;
}

/** What helpers say, word for word, where they have no login: the protocol knows no other sign. */
const notFound = "credentials not found in native keychain";

export function openHelper(
  name: string,
  { environment }: { environment: Readonly<Record<string, string | undefined>> },
): Helper {
  const program = `docker-credential-${name}`;
  const failed = (verb: string, why: string, cause?: unknown): Failure =>
    new Failure("denied", `${program} ${verb} failed: ${why}`, {
      code: "credentials.helper-failed",
      subject: program,
      hint: "Try it by hand, or remove it from credsStore and credHelpers in docker's config.json.",
      cause,
    });
  if (!/^[\w.-]+$/.test(name)) throw failed("get", "that is no name of a helper");

  async function run(verb: string, input: string, call: Call | undefined): Promise<string | undefined> {
    checkInterrupted(call);
    const child = spawn(program, [verb], {
      env: environment,
      stdio: ["pipe", "pipe", "inherit"],
      signal: call?.signal,
    });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
    // A helper that ends without reading its input is judged by how it ends.
    child.stdin.on("error", () => {}).end(input);
    const status = await new Promise<number | null>((resolve, reject) => {
      child.once("error", (error) =>
        reject(call?.signal?.aborted ? interrupted(error) : failed(verb, error.message, error)),
      );
      child.once("close", resolve);
    });
    if (status === 0) return output;
    if (output.trim() === notFound) return undefined;
    // What a helper says when it fails is for people, and holds no secret.
    throw failed(verb, output.trim().split("\n")[0] || `it ended with ${status ?? "a signal"}`);
  }

  return {
    program,
    async get(server, call) {
      const output = await run("get", server, call);
      if (output === undefined) return undefined;
      const login = loginIn(output);
      if (login === undefined) throw failed("get", "its answer is not the JSON that helpers give");
      // Some helpers answer with nothing instead of saying so.
      return login.secret === "" ? undefined : login;
    },
    async store(server, { username, secret }, call) {
      await run("store", JSON.stringify({ ServerURL: server, Username: username, Secret: secret }), call);
    },
    async erase(server, call) {
      await run("erase", server, call);
    },
  };
}

/** No cause kept: the text is a secret. */
function loginIn(output: string): HelperLogin | undefined {
  try {
    const json: unknown = JSON.parse(output);
    if (!isObject(json) || typeof json["Username"] !== "string" || typeof json["Secret"] !== "string")
      return undefined;
    return { username: json["Username"], secret: json["Secret"] };
  } catch {
    return undefined;
  }
}
