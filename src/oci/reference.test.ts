import { expect, test } from "vitest";
import {
  formatImageReference,
  parseImageReference,
  parseRegistryUrl,
  registryOrigin,
  tagOf,
} from "./reference.js";

const sha = `sha256:${"a".repeat(64)}`;

test.each([
  ["ubuntu", "docker.io/library/ubuntu"],
  ["index.docker.io/ubuntu:24.04", "docker.io/library/ubuntu:24.04"],
  ["my_registry/img", "docker.io/my_registry/img"],
  ["localhost/x", "localhost/x"],
  ["[::1]:5000/a/b:t", "[::1]:5000/a/b:t"],
  [`EXAMPLE.com/Img:T@${sha}`, `EXAMPLE.com/img:T@${sha}`],
])("%s is the image %s", (text, full) => {
  const reference = parseImageReference(text);
  expect(formatImageReference(reference)).toBe(full);
  expect(parseImageReference(full)).toEqual(reference);
});

test.each([
  "",
  "a//b",
  "a/b/",
  "a..b/c",
  "host:port/x",
  "host:99999/x",
  "a/b@sha256:zz",
  "a/b:",
  `a@${sha}@${sha}`,
])("%j is no image reference", (text) => {
  expect(() => parseImageReference(text)).toThrow(expect.objectContaining({ code: "oci.reference-invalid" }));
});

test("a password in a URL does not get into the message", () => {
  expect(() => parseRegistryUrl("oci://user:secret@host/x")).toThrow(
    expect.objectContaining({ message: expect.not.stringContaining("secret") }),
  );
});

test("Docker Hub's API is not where its name says", () => {
  expect(registryOrigin(parseRegistryUrl("oci://ubuntu"))).toBe("https://registry-1.docker.io");
  expect(registryOrigin(parseRegistryUrl("oci+http://localhost:5000/x"))).toBe("http://localhost:5000");
});

test("any text becomes a tag", () => {
  expect(tagOf("é=1 2")).toBe("__1_2");
  expect(tagOf("x".repeat(70) + "y".repeat(70))).toBe("x".repeat(64) + "y".repeat(64));
});
