import { randomUUID } from "node:crypto";
import { appendFileSync, readFileSync } from "node:fs";
import { isObject, type JsonObject } from "../base/decode.js";
import { Failure } from "../base/failure.js";

/**
 * What GitHub's runner and an action tell each other: inputs and state in variables, outputs in files that variables
 * name, the rest in lines of standard output (docs.github.com/actions/reference/workflow-commands-for-github-actions).
 */
export interface Runner {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** An input without blanks around it; undefined where it is empty, too. */
  input(name: string): string | undefined;
  /** What `saveState` kept in the same action's step before the job's own. */
  state(name: string): string | undefined;
  saveState(name: string, value: string): void;
  setOutput(name: string, value: string): void;
  /** For the steps that follow. */
  exportVariable(name: string, value: string): void;
  addPath(directory: string): void;
  /** Markdown for the job's page. */
  summarize(markdown: string): void;
  /** Hides a text wherever the log would show it. */
  mask(secret: string): void;
  log(line: string): void;
  annotate(level: "notice" | "warning" | "error", message: string): void;
  /** The event that started the workflow; empty where there is none. */
  event(): JsonObject;
}

export function openRunner(
  env: Readonly<Record<string, string | undefined>>,
  write: (text: string) => void,
): Runner {
  const append = (variable: string, text: string): void => {
    const file = env[variable];
    if (!file)
      throw new Failure("usage", `${variable} names no file`, {
        code: "action.no-runner",
        hint: "This program is run by GitHub's runner, for `uses:` in a workflow; by hand, use `stowage`.",
      });
    appendFileSync(file, text);
  };
  // No value can end itself early: nobody knows the delimiter before it is written.
  const assign = (variable: string, name: string, value: string): void => {
    const delimiter = `end-${randomUUID()}`;
    append(variable, `${name}<<${delimiter}\n${value}\n${delimiter}\n`);
  };
  const command = (name: string, message: string): void => write(`::${name}::${escaped(message)}\n`);

  return {
    env,
    input: (name) => env[`INPUT_${name.toUpperCase()}`]?.trim() || undefined,
    state: (name) => env[`STATE_${name}`] || undefined,
    saveState: (name, value) => assign("GITHUB_STATE", name, value),
    setOutput: (name, value) => assign("GITHUB_OUTPUT", name, value),
    exportVariable: (name, value) => assign("GITHUB_ENV", name, value),
    addPath: (directory) => append("GITHUB_PATH", `${directory}\n`),
    summarize: (markdown) => append("GITHUB_STEP_SUMMARY", `${markdown}\n`),
    // A line of its own for each line: a mask does not reach over line ends.
    mask: (secret) => {
      for (const line of secret.split(/\r?\n/)) if (line !== "") command("add-mask", line);
    },
    // A line that begins like a command would be one.
    log: (line) => write(`${line.replace(/^\s*(?:::|##\[)/, (found) => `\u200b${found}`)}\n`),
    annotate: command,
    event() {
      const file = env["GITHUB_EVENT_PATH"];
      if (!file) return {};
      const event: unknown = JSON.parse(readFileSync(file, "utf8"));
      return isObject(event) ? event : {};
    },
  };
}

const escaped = (text: string): string =>
  text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
