import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, it } from "node:test";
import { LogTree } from "@sallyport/control-plane/src/ledger/integrity/log-tree.ts";
import { MAX_HELD } from "@sallyport/control-plane/src/ledger/integrity/tree-file.ts";
import { CompactRange, type Hash, treeHasher } from "@sallyport/proto/audit/merkle";
import { nodePrimitives } from "@sallyport/proto/audit/node-primitives";
import { tempDir } from "../support/temp-dir.ts";

const hasher = treeHasher(nodePrimitives.sha256);
const hashOf = (n: number): Hash => hasher.leaf(Buffer.from(String(n)));

/** The size that files of this process may have. */
const limit = (soft: string): Buffer => execFileSync("prlimit", [`--pid=${process.pid}`, `--fsize=${soft}:`]);

describe("the stored tree", () => {
  it("proves the same after its disk was full in the middle of a write, at once and after a restart", (t) => {
    t.after(() => limit("unlimited"));
    const folder = tempDir(t, "tree");
    const tree = new LogTree(folder);
    const range = new CompactRange(hasher);
    let failed = 0;
    const add = (from: number, to: number): void => {
      for (let n = from; n < to; n++) {
        range.append(hashOf(n));
        try {
          tree.add({ position: BigInt(n), hash: hashOf(n), isAboutLog: false });
        } catch {
          failed++;
        }
      }
    };
    add(0, 600);
    limit("40000"); // the first 512 leaves and what is above them are 32,736 bytes, and so are the next
    add(600, 1_030);
    assert.notEqual(failed, 0);
    limit("unlimited");
    add(1_030, 2_000);
    tree.flush();
    assert.equal(tree.unsigned, 2_000, "each counts, whatever became of its file");
    assert.deepEqual(tree.prover.root(2_000), range.root());
    for (const index of [0, 511, 512, 700, 1_029, 1_030, 1_999]) assert.deepEqual([tree.leafAt(index), tree.positionOf(index)], [hashOf(index), BigInt(index)]);
    tree.close();
    const again = new LogTree(folder);
    assert.equal(again.size, 2_000);
    assert.deepEqual(again.prover.root(2_000), range.root());
    again.close();
  });

  it("takes no further leaf while as many wait for the disk as may, and that one when the disk takes them", (t) => {
    t.after(() => limit("unlimited"));
    const tree = new LogTree(tempDir(t, "tree"));
    const range = new CompactRange(hasher);
    /** Answers whether it is in the tree: where only the disk failed it is. */
    const add = (n: number): boolean => {
      try {
        tree.add({ position: BigInt(n), hash: hashOf(n), isAboutLog: false });
      } catch {
        return tree.size > n;
      }
      return true;
    };
    limit("100");
    let n = 0;
    for (; add(n); n++) range.append(hashOf(n));
    assert.deepEqual([n, tree.size], [MAX_HELD, MAX_HELD]);
    limit("unlimited");
    assert.ok(add(n));
    range.append(hashOf(n));
    assert.deepEqual(tree.prover.root(n + 1), range.root());
    tree.close();
  });

  it("is closed while its disk is full, and what it could not write comes again after a restart", (t) => {
    t.after(() => limit("unlimited"));
    const folder = tempDir(t, "tree");
    const tree = new LogTree(folder);
    const add = (to: LogTree, from: number): void => {
      for (let n = from; n < 600; n++) to.add({ position: BigInt(n), hash: hashOf(n), isAboutLog: false });
    };
    add(tree, 0);
    limit("33000"); // what is written is 32,736 bytes
    tree.close();
    limit("unlimited");
    const again = new LogTree(folder);
    assert.ok(again.size < 600);
    add(again, again.size);
    const range = new CompactRange(hasher);
    for (let n = 0; n < 600; n++) range.append(hashOf(n));
    assert.deepEqual(again.prover.root(600), range.root());
    again.close();
  });
});
