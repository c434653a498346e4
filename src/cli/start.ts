#!/usr/bin/env node
import { existsSync, readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { Script } from "node:vm";

// The entry of the command and, under another name, of its threads: runs the bundle beside it, by the code that V8
// made of it when it was built. V8 takes that only if it is of its own version, and else compiles what it needs.

/** What scripts/v8-flags.mjs lists; the build puts it here. */
declare const v8Flags: readonly { readonly flag: string; readonly before: number }[];
const node = Number.parseInt(process.versions.node, 10);
for (const { flag, before } of v8Flags) if (node < before) setFlagsFromString(flag);

const bundle = __filename.replace(/\.js$/, ".bundle.js");
const compiled = `${bundle}.cache`;
const script = new Script(readFileSync(bundle, "latin1"), {
  filename: bundle,
  cachedData: existsSync(compiled) ? readFileSync(compiled) : undefined,
});

/** Modules of Node that most commands import and never use: each is loaded when something of it is asked for. */
const rarelyUsed = ["node:child_process", "node:readline"];
const requireLazily = (name: string): unknown =>
  !rarelyUsed.includes(name)
    ? require(name)
    : new Proxy(
        {},
        {
          get: (_, key) => require(name)[key],
          ownKeys: () => Reflect.ownKeys(require(name)),
          getOwnPropertyDescriptor(_, key) {
            const own = Reflect.getOwnPropertyDescriptor(require(name), key);
            return own && { ...own, configurable: true };
          },
        },
      );

script.runInThisContext()(requireLazily, bundle);
