import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CUSTOMERS, fakeShop, ORDERS, PAYMENTS } from "./fake-people.ts";

const shop = fakeShop();

describe("fakeShop", () => {
  it("is the same every time", () => {
    assert.deepEqual(fakeShop(), shop);
  });

  it("has as many rows as it says, each id once", () => {
    assert.deepEqual([shop.customers.length, shop.payments.length, shop.orders.length], [CUSTOMERS, PAYMENTS, ORDERS]);
    assert.equal(new Set(shop.customers.map(({ email }) => email)).size, CUSTOMERS);
  });

  it("refers only to rows that exist", () => {
    const customers = new Set(shop.customers.map(({ id }) => id));
    const products = new Set(shop.products.map(({ id }) => id));
    assert.ok([...shop.payments, ...shop.orders].every(({ customer_id }) => customers.has(customer_id)));
    assert.ok(shop.orders.every(({ product_id }) => products.has(product_id)));
  });

  it("has card numbers whose Luhn sum is a multiple of ten", () => {
    for (const { card_number } of shop.payments) {
      const doubled = [...card_number].map((digit, index) => Number(digit) * (index % 2 === card_number.length % 2 ? 2 : 1));
      const sum = doubled.reduce((total, value) => total + Math.floor(value / 10) + (value % 10), 0);
      assert.equal(card_number.length, 16);
      assert.equal(sum % 10, 0, card_number);
    }
  });

  it("has IBANs that leave 1 modulo 97", () => {
    for (const { iban } of shop.customers) {
      const moved = `${iban.slice(4)}${iban.slice(0, 4)}`;
      const digits = [...moved].map((character) => Number.parseInt(character, 36)).join("");
      assert.equal(BigInt(digits) % 97n, 1n, iban);
    }
  });

  it("has e-mail addresses, phone numbers and social security numbers of the usual shape", () => {
    for (const { email, phone, ssn } of shop.customers) {
      assert.match(email, /^[a-z]+\.[a-z]+\d+@example\.com$/u);
      assert.match(phone, /^\+1-202-555-01\d\d$/u);
      assert.match(ssn, /^(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}$/u);
    }
  });
});
