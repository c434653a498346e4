import { expect, test } from "vitest";
import { utf8 } from "../base/bytes.js";
import { decideByContainersPolicy } from "./containers-policy.js";

const decide = (policy: object, image: string) =>
  decideByContainersPolicy(utf8(JSON.stringify(policy)), { image, subject: "policy.json" });

const accept = [{ type: "insecureAcceptAnything" }];
const reject = [{ type: "reject" }];
const signed = [{ type: "sigstoreSigned", keyPath: "/k.pub", keyDatas: ["UEVN"] }];

test("the most special scope decides, from the repository over its parents and the host to the default", () => {
  const policy = {
    default: reject,
    transports: { docker: { "ghcr.io/me/app": signed, "ghcr.io": accept, "*.example.com": accept } },
  };
  expect(decide(policy, "ghcr.io/me/app")).toEqual({
    type: "signed",
    by: [{ keyPaths: ["/k.pub"], keys: ["PEM"], signedAs: [] }],
  });
  expect(decide(policy, "ghcr.io/me/apple")).toEqual({ type: "accept" });
  expect(decide(policy, "a.b.example.com:5000/x")).toEqual({ type: "accept" });
  expect(decide(policy, "docker.io/library/debian")).toEqual({ type: "reject" });
  expect(decide({ default: [...accept, ...reject] }, "a.b/c")).toEqual({ type: "reject" });
  expect(decide({ default: [] }, "a.b/c")).toEqual({ type: "reject" });
});

test("what it asks that cannot be checked here is no leave to go on", () => {
  for (const one of [
    { type: "signedBy", keyType: "GPGKeys", keyPath: "/k" },
    { type: "sigstoreSigned", fulcio: {} },
    { type: "sigstoreSigned", keyPath: "/k", rekorPublicKeyPath: "/r" },
    { type: "sigstoreSigned", keyPath: "/k", signedIdentity: { type: "remapIdentity" } },
  ])
    expect(() => decide({ default: [one] }, "a.b/c")).toThrow(
      expect.objectContaining({ code: "trust.policy-unsupported" }),
    );
  const tagged = { default: accept, transports: { docker: { "a.b/c:1": reject } } };
  expect(() => decide(tagged, "a.b/c")).toThrow(
    expect.objectContaining({ code: "trust.policy-unsupported" }),
  );
  expect(decide(tagged, "a.b/cd")).toEqual({ type: "accept" });
  expect(() => decide({}, "a.b/c")).toThrow(expect.objectContaining({ code: "oci.document-invalid" }));
});
