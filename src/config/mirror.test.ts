import { describe, expect, test } from "vitest";
import { decodeInstallTree, paddedRoot } from "./install-tree.js";
import { connectionOf, decodeMirrors, findMirror, loginOf, type Mirror } from "./mirror.js";
import { nodeAt } from "./node.js";
import { parseConfig } from "./parse.js";
import { checkSectionFile } from "./sections.js";
import { substitute, type Variables } from "./variables.js";

const variables: Variables = {
  env: { HOME: "/home/me", CACHE: "/caches", ID: "me", SECRET: "s3cret" },
  home: "/home/me",
  named: { spack: "/spack", user: "me", tempdir: "/tmp", env: undefined, platform: "linux" },
};

function mirrors(text: string): readonly Mirror[] {
  const node = parseConfig(text, { file: "/etc/spack/mirrors.yaml", scope: "site" });
  if (node === undefined) throw new Error("empty");
  checkSectionFile(node, "mirrors");
  const section = nodeAt(node, ["mirrors"]);
  return decodeMirrors(section?.type === "map" ? section : undefined, variables);
}
const mirror = (text: string): Mirror => {
  const [only] = mirrors(`mirrors:\n  a: ${text}\n`);
  if (only === undefined) throw new Error("none");
  return only;
};

describe("mirrors", () => {
  test("a URL alone is a mirror of sources and binaries, signed unless it is a registry", () => {
    expect(mirror("https://x/y")).toMatchObject({
      name: "a",
      fetch: { url: "https://x/y", include: [], exclude: [] },
      source: true,
      binary: true,
      signed: true,
      autopush: false,
      origin: { file: "/etc/spack/mirrors.yaml", line: 2, scope: "site" },
    });
    expect(mirror("oci://x/y").signed).toBe(false);
    expect(mirror("oci+http://x/y").signed).toBe(false);
    expect(mirror("{url: 'oci://x/y', signed: true}").signed).toBe(true);
  });

  test.each([
    ["/caches/a b", "file:///caches/a%20b"],
    ["./near", "file:///etc/spack/near"],
    ["../up", "file:///etc/up"],
    ["~/m", "file:///home/me/m"],
    ["$CACHE/m", "file:///caches/m"],
    ["$spack/m", "file:///spack/m"],
    ["file:///x", "file:///x"],
    ["oci-layout:/x", "oci-layout:/x"],
  ])("the path %s is the URL %s", (path, url) => {
    expect(mirror(`"${path}"`).fetch?.url).toBe(url);
  });

  test("a direction says what it says, and takes the rest from the mirror", () => {
    const both = mirror(
      "{url: 's3://b', profile: p, view: v, include_binary: [x], fetch: 'https://f', push: {view: w, profile: null}}",
    );
    expect(both.fetch).toMatchObject({ url: "https://f", profile: "p", view: "v", include: ["x"] });
    expect(both.push).toMatchObject({ url: "s3://b", profile: undefined, view: "w", include: ["x"] });
  });

  test("a mirror with one direction has no other", () => {
    const readOnly = mirror("{fetch: 'https://f'}");
    expect(readOnly.push).toBeUndefined();
    expect(() => connectionOf(readOnly, "push")).toThrow("mirror a has no URL to push");
  });

  test("order is the order of search", () => {
    expect(mirrors("mirrors:\n  z: /z\n  10: /t\n  2: /n\n  b: /b\n").map(({ name }) => name)).toEqual([
      "z",
      "10",
      "2",
      "b",
    ]);
  });
});

describe("logins", () => {
  const login = (access: string, direction: "fetch" | "push" = "fetch") =>
    loginOf(mirror(`{url: 'oci://x/y', access_pair: ${access}}`), direction, variables.env);

  test("a user or its variable, with the password's variable", () => {
    expect(login("{id: you, secret_variable: SECRET}")).toEqual({ user: "you", password: "s3cret" });
    expect(login("{id_variable: ID, secret_variable: SECRET}")).toEqual({ user: "me", password: "s3cret" });
    expect(login("[old, pair]")).toEqual({ user: "old", password: "pair" });
    expect(login("[null, null]")).toBeUndefined();
  });

  test("an unset variable means anonymous to read, and is an error to push", () => {
    expect(login("{id: you, secret_variable: UNSET}")).toBeUndefined();
    expect(() => login("{id: you, secret_variable: UNSET}", "push")).toThrow("the variable UNSET is not set");
  });
});

describe("a mirror on the command line", () => {
  const known = mirrors("mirrors:\n  cache: oci://x/y\n  local: /l\n");
  const find = (text: string): Mirror => findMirror(known, text, { variables, folder: "/here" });

  test("is a name, a URL or a path", () => {
    expect(find("cache")).toBe(known[0]);
    expect(find("oci://z/z")).toMatchObject({
      name: "oci://z/z",
      fetch: { url: "oci://z/z" },
      signed: false,
    });
    expect(find("./d")).toMatchObject({ fetch: { url: "file:///here/d" }, signed: true, origin: undefined });
  });

  test("by its URL is the one that is configured where packages must be signed", () => {
    const signed = mirrors("mirrors:\n  s: {url: oci://x/s, signed: true}\n  u: oci://x/u\n");
    const names = ["oci://x/s", "oci://x/s/", "oci://x/u", "oci://x/s2"].map(
      (text) => findMirror(signed, text, { variables, folder: "/here" }).name,
    );
    expect(names).toEqual(["s", "s", "oci://x/u", "oci://x/s2"]);
  });

  test("is refused where it is none of them, with a guess", () => {
    expect(() => find("cahce")).toThrow("there is no mirror named cahce");
    try {
      find("cahce");
    } catch (error) {
      expect(error).toMatchObject({
        kind: "not-found",
        hint: expect.stringContaining("Did you mean cache?"),
      });
    }
    expect(() => find("ftps://x")).toThrow("a scheme that no mirror can have");
  });
});

// Variables in braces, in a text that is no template.
const braced = (name: string): string => `$\u007b${name}}`;

test("Spack's variables are replaced in any case, then the environment's; unknown ones stay", () => {
  const put = (text: string): string => substitute(text, variables, "F:1");
  expect(put("$spack/x")).toBe("/spack/x");
  expect(put(`${braced("SPACK")}/x`)).toBe("/spack/x");
  expect(put("$tempdir/$user")).toBe("/tmp/me");
  expect(put(`$CACHE/$nobody/${braced("nobody")}`)).toBe(`/caches/$nobody/${braced("nobody")}`);
  expect(put("~/x")).toBe("/home/me/x");
  expect(put("/a~b")).toBe("/a~b");
  expect(() => put("$os")).toThrow("F:1: cannot tell what $os");
});

describe("the install tree", () => {
  const tree = (yaml: string) => {
    const node = parseConfig(`config:\n  install_tree:${yaml}\n`, { file: "/c/config.yaml", scope: "s" });
    return decodeInstallTree(nodeAt(node, ["config"]), variables);
  };

  test("has a root, padding and projections", () => {
    expect(tree("\n    root: $spack/opt\n    padded_length: 128\n    projections: {all: '{name}'}")).toEqual({
      root: "/spack/opt",
      paddedLength: 128,
      projections: new Map([["all", "{name}"]]),
    });
    expect(tree("\n    root: /o\n    padded_length: true")?.paddedLength).toBe(3796);
    expect(tree("\n    root: /o\n    padded_length: false")?.paddedLength).toBe(0);
    expect(tree("\n    padded_length: 128")).toBeUndefined();
  });

  test("may be written as Spack did before 0.16", () => {
    expect(tree(" /o$padding:64")).toEqual({ root: "/o", paddedLength: 64, projections: undefined });
    expect(tree(" /o")).toEqual({ root: "/o", paddedLength: 0, projections: undefined });
  });

  // Answers of Spack 1.3's util/path.py, add_padding().
  test.each([
    [10, "/opt/spack"],
    [12, "/opt/spack/_"],
    [37, "/opt/spack/__spack_path_placeholder__"],
    [38, "/opt/spack/__spack_path_placeholder___"],
    [39, "/opt/spack/__spack_path_placeholder__/_"],
    [64, "/opt/spack/__spack_path_placeholder__/__spack_path_placeholder__"],
    [65, "/opt/spack/__spack_path_placeholder__/__spack_path_placeholder___"],
  ])("padded to %i characters is what Spack makes of it", (paddedLength, padded) => {
    expect(paddedRoot({ root: "/opt/spack", paddedLength, projections: undefined })).toBe(padded);
  });
});
