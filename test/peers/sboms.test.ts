import { join } from "node:path";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { updateIndex } from "../../src/app/buildcache.js";
import { image } from "../../src/app/image.js";
import { generateKey } from "../../src/app/key.js";
import { pruneMirror } from "../../src/app/prune.js";
import type { PushResult } from "../../src/app/push.js";
import { sbom } from "../../src/app/sbom.js";
import { attachSboms } from "../../src/app/sbom-attach.js";
import { sync } from "../../src/app/sync.js";
import { copy } from "../../src/oci/copy.js";
import { createMemoryRegistry } from "../../src/oci/memory.js";
import { parseRepositoryName, parseTag } from "../../src/oci/reference.js";
import { attachSbom, readSbom } from "../../src/sbom/attached-sbom.js";
import { stowage } from "../support/cli.js";
import { openTestClient } from "../support/client.js";
import { missingProgram, startDockerRegistry } from "../support/peers.js";
import { type PushingMachine, pushingMachine } from "../support/push.js";
import { startRegistry, type TestRegistry } from "../support/registry.js";

let machine: PushingMachine;
let registry: TestRegistry;
/** What was pushed to the mirror `pushed`. */
let pushed: PushResult;
const mirrorAt = (name: string): string => `oci+http://${registry.host}/${name}`;

beforeAll(async () => {
  machine = pushingMachine();
  registry = await startRegistry();
  pushed = await machine.push(mirrorAt("pushed"), { specs: ["greet"], sbom: true, updateIndex: true });
}, 60_000);
afterAll(async () => {
  await registry?.close();
  machine?.[Symbol.dispose]();
});

/** What reads nothing of this machine's own. */
const options = (env: Record<string, string> = {}) => ({
  home: machine.home,
  cwd: machine.path,
  env: {
    HOME: machine.home,
    SPACK_USER_CONFIG_PATH: join(machine.home, "spack"),
    SPACK_SYSTEM_CONFIG_PATH: join(machine.home, "system"),
    ...env,
  },
});

const spdxOf = (text: string): { packages: { name: string; licenseDeclared?: string }[] } => JSON.parse(text);
const licenseOf = (text: string, name: string): string | undefined =>
  spdxOf(text).packages.find((one) => one.name === name)?.licenseDeclared;

test("a push with --sbom attaches to each package what Spack and its spec say; a second one has nothing to do", async () => {
  const mirror = mirrorAt("pushed");
  expect(pushed.failed).toEqual([]);
  expect(pushed.sboms.map(({ name }) => name).sort()).toEqual(pushed.pushed.map(({ name }) => name).sort());
  const found = await sbom("zlib", { ...options(), mirror });
  expect(found.origin).toBe("attached");
  expect(licenseOf(found.text, "zlib")).toBe("Zlib");
  const [zlib] = pushed.pushed.filter(({ name }) => name === "zlib");
  expect(found.digest).toBe(zlib?.manifest);
  const byImage = await sbom(`${mirror}:${zlib?.tag}`, options());
  expect(byImage.text).toBe(found.text);
  expect((await machine.push(mirror, { specs: ["greet"], sbom: true })).sboms).toEqual([]);
});

test("what is attached is the same from two pushes, and follows SOURCE_DATE_EPOCH", async () => {
  const texts: string[] = [];
  for (const name of ["one", "two"]) {
    const env = { SOURCE_DATE_EPOCH: "1700000000" };
    await machine.push(mirrorAt(name), { specs: ["zlib"], sbom: true, sbomFormat: "cyclonedx", env });
    const tag = "zlib-1.2.13-7i7xbvpxpadyo4mhvbnuvmj7zam5ay4z.spack";
    texts.push((await sbom(`${mirrorAt(name)}:${tag}`, { ...options(), format: "cyclonedx" })).text);
  }
  expect(texts[0]).toBe(texts[1]);
  expect(JSON.parse(texts[0] ?? "")).toMatchObject({ metadata: { timestamp: "2023-11-14T22:13:20Z" } });
});

test("where none is attached one is made of the spec, which is said; --read-layers tells more", async () => {
  const mirror = mirrorAt("plain");
  await machine.push(mirror, { specs: ["greet"], updateIndex: true });
  const notes: string[] = [];
  const made = await sbom("zlib", {
    ...options(),
    mirror,
    report: (event) => event.type === "note" && notes.push(event.message),
  });
  expect([made.origin, licenseOf(made.text, "zlib")]).toEqual(["made", "NOASSERTION"]);
  expect(notes[0]).toContain("no spdx SBOM attached");
  const attached = await attachSboms(mirror, { ...options(), specs: ["zlib"], readLayers: true });
  expect([attached.attached.length, attached.failed]).toEqual([2, []]);
  const found = await sbom("zlib", { ...options(), mirror, output: "zlib.json" });
  expect([found.origin, licenseOf(found.text, "zlib")]).toEqual(["attached", "Zlib"]);
  expect(readFileSync(join(machine.path, "zlib.json"), "utf8")).toBe(found.text);
  expect((await attachSboms(mirror, { ...options(), specs: ["zlib"] })).present).toHaveLength(2);
  await expect(sbom("zlib", { ...options(), mirror, output: "no/such/folder.json" })).rejects.toThrow(
    "no/such/folder.json",
  );
});

test("an image's SBOM merges those of its packages, and lists nothing that only built them", async () => {
  const mirror = mirrorAt("pushed");
  await image(mirror, { ...options(), specs: ["greet"], tag: "tools", sbom: true, check: false });
  const { text, origin } = await sbom(`${mirror}:tools`, options());
  expect([origin, licenseOf(text, "zlib")]).toEqual(["attached", "Zlib"]);
  const names = spdxOf(text).packages.map(({ name }) => name);
  expect(names[0]).toBe(`${registry.host}/pushed`);
  expect(names).toContain("libgreet");
  expect(names).not.toContain("gmake");
  await image(mirror, {
    ...options(),
    specs: ["greet"],
    tag: "layout",
    output: "oci:out",
    sbom: true,
    check: false,
  });
  expect((await sbom("oci:out:layout", { ...options(), cwd: machine.path })).origin).toBe("attached");
  await expect(
    image(mirror, { ...options(), specs: ["greet"], tag: "a", output: "docker-archive:a.tar", sbom: true }),
  ).rejects.toMatchObject({ code: "image.sbom-unsupported" });
  const again = await machine.push(mirror, { specs: ["greet"], sbom: true, tag: "both", check: false });
  expect(again.image?.tag).toBe("both");
  expect(licenseOf((await sbom(`${mirror}:both`, options())).text, "zlib")).toBe("Zlib");
});

test("an image that does not say what it is made of has none", async () => {
  const mirror = mirrorAt("pushed");
  await image(mirror, { ...options(), specs: ["greet"], tag: "bare", check: false, variables: ["A=1"] });
  await expect(sbom(`${mirror}:bare`, options())).rejects.toMatchObject({ code: "sbom.missing" });
});

test("the SBOM of another package is refused, and told from one that is not there", async () => {
  const mirror = mirrorAt("swapped");
  await machine.push(mirror, { specs: ["zlib"], sbom: true, updateIndex: true });
  await machine.push(mirror, { specs: ["greet"], updateIndex: true });
  const zlib = await sbom("zlib", { ...options(), mirror });
  await using client = openTestClient(registry.url);
  const repository = client.open("swapped");
  const greet = await sbom("greet", { ...options(), mirror });
  const manifest = await repository.manifests.read(greet.digest);
  if (manifest === undefined) throw new Error("greet is not there");
  const bytes = Buffer.from(zlib.text);
  await attachSbom(repository, manifest.descriptor, {
    format: "spdx",
    bytes,
    title: "x",
    created: "2999-01-01T00:00:00Z",
  });
  await expect(sbom("greet", { ...options(), mirror })).rejects.toMatchObject({
    code: "sbom.subject-differs",
  });
});

test("a copy takes what is attached along, and prune takes it away", async () => {
  const mirror = mirrorAt("pruned");
  await machine.push(mirror, { specs: ["greet"], sbom: true });
  await updateIndex(mirror, options());
  await using client = openTestClient(registry.url);
  const repository = client.open("pruned");
  const tag = parseTag("zlib-1.2.13-7i7xbvpxpadyo4mhvbnuvmj7zam5ay4z.spack");
  const to = createMemoryRegistry().repository(parseRepositoryName("copy"));
  const { digest } = await copy(repository, to, { reference: tag, tag, referrers: true });
  const subject = { digest, hash: "7i7xbvpxpadyo4mhvbnuvmj7zam5ay4z" };
  expect(await readSbom(to, subject, { format: "spdx" })).toBeDefined();
  writeFileSync(join(machine.path, "keep"), "66tf2rly7qekkbajxrrfqmqxlc53cana\n");
  const removed = await pruneMirror(mirror, { ...options(), keepList: "keep" });
  expect(removed.removed.map(({ name }) => name)).toContain("zlib");
  expect(await repository.referrers(digest)).toEqual([]);
  expect((await sbom("greet-data", { ...options(), mirror })).origin).toBe("attached");
});

test("in a signed mirror packages are verified first; what is attached travels with them on a sync", async () => {
  await generateKey({ ...options({ COSIGN_PASSWORD: "p" }), prefix: "signer" });
  const folder = join(machine.path, "scope");
  mkdirSync(folder);
  const [from, to] = [mirrorAt("signed"), mirrorAt("synced")];
  const mirrors = { s: { url: from, signed: true }, t: { url: to, signed: true } };
  const trusted = { keys: [join(machine.path, "signer.pub")], "signed-as": [from, to].map(nameOf) };
  writeFileSync(join(folder, "mirrors.yaml"), JSON.stringify({ mirrors }));
  const trust = { mirrors: { s: trusted, t: trusted } };
  writeFileSync(join(folder, "trust.yaml"), JSON.stringify({ trust }));
  const asked = {
    ...options({ COSIGN_PASSWORD: "p" }),
    config: folder,
    key: join(machine.path, "signer.key"),
  };
  const signed = await machine.push("s", { ...asked, specs: ["zlib"], sbom: true, updateIndex: true });
  expect([signed.failed, signed.sboms.length]).toEqual([[], 2]);
  expect((await sbom("zlib", { ...asked, mirror: "s" })).origin).toBe("attached");
  expect((await attachSboms("s", { ...asked, all: true, format: "cyclonedx" })).failed).toEqual([]);
  const synced = await sync("s", "t", { ...asked, unsigned: true, key: undefined, updateIndex: false });
  expect([synced.failed, synced.copied.length]).toEqual([[], 2]);
  const tag = "zlib-1.2.13-7i7xbvpxpadyo4mhvbnuvmj7zam5ay4z.spack";
  for (const format of ["spdx", "cyclonedx"] as const)
    expect((await sbom(`${to}:${tag}`, { ...asked, format })).origin).toBe("attached");
  // A mirror whose packages nobody has signed gives none out, nor what is attached to them.
  await machine.push(mirrorAt("unsigned"), { specs: ["zlib"], sbom: true });
  const unsigned = { u: { url: mirrorAt("unsigned"), signed: true } };
  writeFileSync(join(folder, "mirrors.yaml"), JSON.stringify({ mirrors: unsigned }));
  writeFileSync(join(folder, "trust.yaml"), JSON.stringify({ trust: { mirrors: { u: trusted } } }));
  await expect(sbom("/7i7xbvpxpadyo4mhvbnuvmj7zam5ay4z", { ...asked, mirror: "u" })).rejects.toMatchObject({
    code: "trust.unsigned",
  });
});

const nameOf = (url: string): string => url.replace("oci+http://", "");

test("the command line: sbom and its attach, attest and its verify, referrers", async () => {
  const { home } = machine;
  const mirror = mirrorAt("pushed");
  const printed = await stowage(["sbom", "--mirror", mirror, "zlib", "--format", "spdx"], { home });
  expect(JSON.parse(printed.stdout)).toMatchObject({ spdxVersion: "SPDX-2.3" });
  const attached = await stowage(["sbom", "attach", mirror, "--all", "--json"], { home });
  expect(attached.json()).toMatchObject({ schema: "stowage.sbom-attach/1", attached: [], failed: [] });
  const zlib = `${mirror}:zlib-1.2.13-7i7xbvpxpadyo4mhvbnuvmj7zam5ay4z.spack`;
  const tree = await stowage(["referrers", zlib], { home });
  expect(tree.stdout).toMatch(/└── sbom {2}application\/spdx\+json, [\d.]+ KiB, at 2026-\S+Z\n {4}sha256:/i);
  const none = await stowage(["attest", "verify", zlib, "--key", "no.pub"], { home });
  expect([none.code, none.stderr]).toEqual([3, expect.stringContaining("there is no key")]);
  const help = await stowage(["sbom", "--help"], { home });
  expect(help.stdout).toContain("attach bills of materials to packages that a mirror has");
});

const missing = missingProgram("docker-registry");
test.skipIf(missing !== undefined)(
  `a registry without referrers keeps SBOMs by the fallback tag${missing === undefined ? "" : ` (${missing})`}`,
  async () => {
    await using docker = await startDockerRegistry();
    const mirror = `oci+http://${docker.host}/cache`;
    const { failed } = await machine.push(mirror, { specs: ["zlib"], sbom: true, updateIndex: true });
    expect(failed).toEqual([]);
    expect((await sbom("zlib", { ...options(), mirror })).origin).toBe("attached");
  },
);
