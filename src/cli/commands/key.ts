import { Option } from "commander";
import { generateKey, keyTypes, listKeys, publicKey } from "../../app/key.js";
import { ask } from "../ask.js";
import { type CommandDefinition, examples } from "../command.js";
import { table } from "../format.js";
import { askPassword } from "../signing-options.js";

export const keyGenerate: CommandDefinition = {
  define(command) {
    command
      .option("-o, --output-key-prefix <path>", "files are called so, and .key and .pub", "cosign")
      .addOption(new Option("--type <type>", "kind of key").choices(keyTypes).default("ecdsa-p256"));
    examples(command, [
      ["stowage key generate", "asks for a password, and writes cosign.key and cosign.pub"],
      ["COSIGN_PASSWORD=… stowage key generate -o ci", "in a script: ci.key, ci.pub"],
    ]);
  },
  async run({ given, options, terminal }) {
    const again = askPassword(terminal.isTty.err);
    const result = await generateKey({
      ...options,
      prefix: given.text("outputKeyPrefix") ?? "cosign",
      type: keyTypes.find((type) => type === given.text("type")),
      askPassword:
        again === undefined
          ? undefined
          : async (subject) => {
              const password = await again(subject);
              return (await ask("Once more: ", { secret: true })) === password ? password : undefined;
            },
    });
    return {
      document: result,
      lines: () => [
        `private key ${result.privateFile}: keep it, and its password, from everybody`,
        `public key  ${result.publicFile}: ${result.type}, ${result.fingerprint}`,
      ],
    };
  },
};

export const keyPublic: CommandDefinition = {
  define(command) {
    command.argument("<key>", "a key, private or public: a PEM file, or env://NAME");
    examples(command, [["stowage key public cosign.key > cosign.pub", "asks for the password"]]);
  },
  async run({ given, options, terminal }) {
    const result = await publicKey(given.argument(0), {
      ...options,
      askPassword: askPassword(terminal.isTty.err),
    });
    return { document: result, lines: () => result.pem.trimEnd().split("\n") };
  },
};

export const keyList: CommandDefinition = {
  define(command) {
    examples(command, [["stowage key list", "whom trust.yaml trusts for which mirror"]]);
  },
  async run({ options }) {
    const trusted = await listKeys(options);
    return {
      document: { trusted },
      *lines() {
        if (trusted.length === 0) yield "nobody is trusted: there is no trust.yaml";
        else
          yield* table(
            trusted.map(({ mirror, required, who, origin }) => [
              mirror,
              `${required} of`,
              who.join(", "),
              origin,
            ]),
          );
      },
    };
  },
};
