import { expect, test } from "vitest";
import { mergeNodes } from "./merge.js";
import { nodeAt } from "./node.js";
import { parseConfig } from "./parse.js";
import { checkSectionFile } from "./sections.js";
import { imageRule, mirrorRule } from "./trust.js";

const variables = { env: { KEYS: "/keys" }, home: "/home/u", named: {} };

function read(text: string) {
  const node = parseConfig(text, { file: "/etc/spack/trust.yaml", scope: "system" });
  if (node === undefined) throw new Error("empty");
  checkSectionFile(node, "trust");
  return nodeAt(node, ["trust"]);
}

test("a mirror's policy is read with its paths from the file that names them", () => {
  const section = read(`
trust:
  mirrors:
    cache:
      keys: [ci.pub, $KEYS/boss.pub, 'env://KEY']
      identities:
      - {issuer: https://gitlab.com, subject-regexp: 'https://gitlab\\.com/me/.*'}
      required: 2
      max-age: 7d
      signed-as: [ghcr.io/me/cache]
      trusted-root: root.json
`);
  expect(mirrorRule(section, "cache", variables)).toEqual({
    origin: "/etc/spack/trust.yaml:5",
    keys: ["/etc/spack/ci.pub", "/keys/boss.pub", "env://KEY"],
    identities: [
      { issuer: { text: "https://gitlab.com" }, subject: { matching: "https://gitlab\\.com/me/.*" } },
    ],
    keyring: undefined,
    required: 2,
    maxAge: 7 * 24 * 3600 * 1000,
    signedAs: ["ghcr.io/me/cache"],
    trustedRoot: "/etc/spack/root.json",
  });
  expect(mirrorRule(section, "other", variables)).toBeUndefined();
});

test("of two scopes each names its files from where it is itself", () => {
  const at = (file: string, text: string) => {
    const node = parseConfig(text, { file, scope: file });
    if (node === undefined) throw new Error("empty");
    return node;
  };
  const low = at("/etc/spack/trust.yaml", "trust: {mirrors: {c: {keys: [a.pub], trusted-root: root.json}}}");
  const high = at("/proj/trust.yaml", "trust: {mirrors: {c: {keys: [b.pub], keyring: k.gpg}}}");
  expect(mirrorRule(nodeAt(mergeNodes(low, high), ["trust"]), "c", variables)).toMatchObject({
    keys: ["/proj/b.pub", "/etc/spack/a.pub"],
    trustedRoot: "/etc/spack/root.json",
    keyring: "/proj/k.gpg",
  });
});

test("of images, the rule with the longest name counts, by whole parts of it", () => {
  const section = read(`
trust:
  images:
    '*': reject
    docker.io/library: accept
    docker.io/library/debian: {keys: [debian.pub]}
`);
  expect(imageRule(section, "docker.io/library/debian", variables)).toMatchObject({
    keys: ["/etc/spack/debian.pub"],
  });
  expect(imageRule(section, "docker.io/library/debian-evil", variables)).toBe("accept");
  expect(imageRule(section, "docker.io/libraryx/debian", variables)).toBe("reject");
  expect(imageRule(read("trust: {}"), "docker.io/library/debian", variables)).toBeUndefined();
});

test.each([
  ["trust:\n  mirrors:\n    a: {kyes: [x]}\n", "3: trust:mirrors:a:kyes is not a key", "config.unknown-key"],
  ["trust:\n  mirrors:\n    a: {required: 1}\n", "needs keys or identities or keyring", "config.missing-key"],
  ["trust:\n  mirrors:\n    a:\n      keys: [x]\n      required: 0\n", ":5: ", "config.value-invalid"],
  ["trust:\n  images:\n    a: perhaps\n", ":3: ", "config.value-invalid"],
  [
    "trust:\n  mirrors:\n    a:\n      identities:\n      - {issuer: x}\n",
    "needs subject",
    "config.missing-key",
  ],
  ["trust:\n  mirrors:\n    a: {keys: [x], max-age: soon}\n", "no length of time", "config.value-invalid"],
  [
    "trust:\n  mirrors:\n    a: {identities: [{issuer: x, subject-regexp: '('}]}\n",
    "no regular expression",
    "config.value-invalid",
  ],
])("what is wrong in %j is told with its line", (text, message, code) => {
  const check = () => mirrorRule(read(text), "a", variables);
  expect(check).toThrow(message);
  expect(check).toThrow(expect.objectContaining({ code }));
});
