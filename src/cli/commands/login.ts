import { login, logout } from "../../app/auth.js";
import { Failure } from "../../base/failure.js";
import { ask, readInput } from "../ask.js";
import { type CommandDefinition, examples } from "../command.js";
import { loginLines } from "../connection-options.js";

export const loginCommand: CommandDefinition = {
  define(command) {
    command
      .argument("<registry>", "its host: ghcr.io, localhost:5000, docker.io; or a URL of something in it")
      .option("-u, --username <user>", "who to log in as (else asked for)")
      .option("--password-stdin", "read the password from standard input (else asked for at a terminal)");
    examples(command, [
      ["stowage login docker.io", "asks for name and password, and keeps them where docker does"],
      ["stowage login ghcr.io -u me --password-stdin < token", "in a CI job"],
    ]);
  },
  async run({ given, options }) {
    const registry = given.argument(0);
    const atTerminal = process.stdin.isTTY === true && given.flag("passwordStdin") !== true;
    const username = given.text("username") ?? (atTerminal ? await ask("User name: ") : undefined);
    if (username === undefined)
      throw new Failure("usage", `no user name for ${registry}`, {
        code: "auth.login-incomplete",
        hint: "Give it with --username.",
      });
    const password = atTerminal ? await ask("Password: ", { secret: true }) : await readInput();
    const result = await login(registry, { ...options, username, password });
    return {
      document: result,
      lines: () => loginLines(result),
    };
  },
};

export const logoutCommand: CommandDefinition = {
  define(command) {
    command.argument("<registry>", "its host: ghcr.io, localhost:5000, docker.io");
    examples(command, [["stowage logout ghcr.io", "also out of docker's file and helper"]]);
  },
  async run({ given, options }) {
    const result = await logout(given.argument(0), options);
    return {
      document: result,
      lines: () =>
        result.places.length === 0
          ? [`there was no login for ${result.registry}`]
          : result.places.map((place) => `removed the login for ${result.registry} from ${place}`),
    };
  },
};
