import { storageContract } from "../../test/support/storage-contract.js";
import { createMemoryStorage } from "./memory-storage.js";

storageContract("memory", async () => {
  let now = 0;
  const clock = {
    now: () => now,
    set(milliseconds: number) {
      now = milliseconds;
    },
  };
  const storage = createMemoryStorage({ clock });
  return { storage, clock, [Symbol.asyncDispose]: () => storage.close() };
});
