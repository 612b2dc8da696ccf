import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { toHex, utf8 } from "./bytes.ts";
import { CompactRange, type Hash, treeHasher, verifyConsistency, verifyInclusion } from "./merkle.ts";
import { nodePrimitives } from "./node-primitives.ts";
import { Prover } from "./proofs.ts";

const hasher = treeHasher(nodePrimitives.sha256);

/** The test vectors of certificate-transparency's own trees (RFC 6962's reference implementation). */
const inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"].map((hex) => Buffer.from(hex, "hex"));
const roots = [
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

function build(count: number): { readonly tree: CompactRange; readonly leaves: Hash[]; readonly prover: Prover; readonly roots: Hash[] } {
  const nodes = new Map<string, Hash>();
  const tree = new CompactRange(hasher);
  const leaves = Array.from({ length: count }, (_, i) => hasher.leaf(utf8(`leaf ${i}`)));
  const seen = [tree.root()];
  for (const leaf of leaves) {
    tree.append(leaf, (level, index, hash) => nodes.set(`${level}/${index}`, hash));
    seen.push(tree.root());
  }
  return { tree, leaves, prover: new Prover(hasher, (level, index) => nodes.get(`${level}/${index}`) as Hash), roots: seen };
}

describe("the Merkle tree", () => {
  it("has the roots of RFC 6962's reference trees", () => {
    const tree = new CompactRange(hasher);
    assert.equal(toHex(tree.root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (const [i, input] of inputs.entries()) {
      tree.append(hasher.leaf(input));
      assert.equal(toHex(tree.root()), roots[i]);
    }
  });

  it("proves every leaf of every small tree, and no other leaf, place, size or root", () => {
    const { leaves, prover, roots: all } = build(40);
    for (let size = 1; size <= 40; size++) {
      for (let index = 0; index < size; index++) {
        const proof = prover.inclusion(index, size);
        const [leaf, root] = [leaves[index] as Hash, all[size] as Hash];
        assert.ok(verifyInclusion(hasher, index, size, leaf, proof, root));
        assert.ok(!verifyInclusion(hasher, index, size, hasher.leaf(utf8("x")), proof, root));
        assert.ok(!verifyInclusion(hasher, index, size, leaf, proof, all[size - 1] as Hash));
        assert.ok(!verifyInclusion(hasher, index, size, leaf, [...proof, root], root));
        if (proof.length > 0) assert.ok(!verifyInclusion(hasher, index, size, leaf, proof.slice(0, -1), root));
        if (size > 1) assert.ok(!verifyInclusion(hasher, (index + 1) % size, size, leaf, proof, root));
      }
    }
  });

  it("proves that each tree grew out of each smaller one, and out of no other", () => {
    const { prover, roots: all } = build(40);
    for (let now = 0; now <= 40; now++) {
      for (let old = 0; old <= now; old++) {
        const proof = prover.consistency(old, now);
        const [before, after] = [
          { size: old, root: all[old] as Hash },
          { size: now, root: all[now] as Hash },
        ];
        assert.ok(verifyConsistency(hasher, before, after, proof), `${old} to ${now}`);
        if (old > 0) assert.ok(!verifyConsistency(hasher, { size: old, root: hasher.leaf(utf8("x")) }, after, proof));
        if (old > 0 && old < now) {
          assert.ok(!verifyConsistency(hasher, before, { size: now, root: hasher.leaf(utf8("x")) }, proof));
          assert.ok(!verifyConsistency(hasher, before, after, proof.slice(1)));
          assert.ok(!verifyConsistency(hasher, before, after, [...proof, after.root]));
        }
      }
    }
  });

  it("goes on from any size by its perfect subtrees", () => {
    const { leaves, prover, roots: all } = build(200);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 200 }), (size) => {
        const range = new CompactRange(hasher, size, prover.frontier(size));
        for (const leaf of leaves.slice(size)) range.append(leaf);
        assert.deepEqual(range.root(), all[200]);
        assert.deepEqual(prover.root(size), all[size]);
      }),
    );
    assert.throws(() => new CompactRange(hasher, 3, []), RangeError);
  });
});
