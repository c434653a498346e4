import { expect, test } from "vitest";
import { redactUrl } from "./redact.js";

test("a shown URL holds no password and no query value", () => {
  expect(redactUrl("https://user:secret@host/v2/?sig=abc&x=1")).toBe("https://host/v2/?sig=***&x=***");
  expect(redactUrl("oci://user@host/x")).not.toContain("user");
  expect(redactUrl("not a url")).toBe("not a url");
  expect(redactUrl("https://host")).toBe("https://host");
});
