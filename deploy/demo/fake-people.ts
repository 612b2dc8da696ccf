/**
 * Made-up people and what they buy. The same every time; nothing here is anybody's. Domains, phone numbers and card
 * prefixes are those that are set aside for examples and tests. Check digits are right, so that detectors see them.
 */
export interface Customer {
  readonly id: number;
  readonly name: string;
  readonly email: string;
  readonly phone: string;
  readonly ssn: string;
  readonly iban: string;
  readonly date_of_birth: string;
  readonly address: string;
  readonly created_at: string;
}

export interface Payment {
  readonly id: number;
  readonly customer_id: number;
  readonly amount: string;
  readonly currency: string;
  readonly card_number: string;
  readonly card_holder: string;
  readonly paid_at: string;
}

export interface Product {
  readonly id: number;
  readonly name: string;
  readonly price: string;
}

export interface Order {
  readonly id: number;
  readonly customer_id: number;
  readonly product_id: number;
  readonly quantity: number;
  readonly status: string;
  readonly ordered_at: string;
}

export interface FakeShop {
  readonly customers: readonly Customer[];
  readonly payments: readonly Payment[];
  readonly products: readonly Product[];
  readonly orders: readonly Order[];
}

export const CUSTOMERS = 500;
export const PAYMENTS = 2_000;
export const ORDERS = 1_200;

const firstNames = [
  "Ada",
  "Bruno",
  "Chiara",
  "Dmitri",
  "Elena",
  "Farid",
  "Grace",
  "Hana",
  "Ivan",
  "Jonas",
  "Kofi",
  "Lucía",
  "Mei",
  "Nadia",
  "Oskar",
  "Priya",
  "Quentin",
  "Rosa",
  "Sören",
  "Tomás",
  "Uma",
  "Viktor",
  "Wanda",
  "Ximena",
  "Yusuf",
  "Zoë",
];
const lastNames = [
  "Andersen",
  "Bauer",
  "Costa",
  "Dubois",
  "Eriksson",
  "Ferrari",
  "García",
  "Hughes",
  "Ivanova",
  "Jansen",
  "Kowalski",
  "Lindqvist",
  "Moreau",
  "Novák",
  "Okafor",
  "Petrov",
  "Quinn",
  "Rossi",
  "Schmidt",
  "Tanaka",
  "Usman",
  "Virtanen",
  "Weber",
  "Yamamoto",
  "Zhang",
];
const streets = ["Harbour Street", "Mill Lane", "Station Road", "Linden Avenue", "Castle Hill", "Orchard Way", "Bridge Street"];
const cities = ["Bergen", "Ghent", "Graz", "Leiden", "Lyon", "Porto", "Turku", "Uppsala"];
const productNames = [
  "Anchor",
  "Block and tackle",
  "Bollard",
  "Capstan",
  "Fender",
  "Flare kit",
  "Halyard",
  "Lantern",
  "Life jacket",
  "Mooring line",
  "Oar",
  "Sextant",
];

export function fakeShop(): FakeShop {
  const dice = new Dice(20_260_101);
  const products = productNames.map((name, index) => ({ id: index + 1, name, price: money(dice.between(400, 60_000)) }));
  const customers = Array.from({ length: CUSTOMERS }, (_, index) => customer(index + 1, dice));
  const payments = Array.from({ length: PAYMENTS }, (_, index) => {
    const payer = dice.oneOf(customers);
    return {
      id: index + 1,
      customer_id: payer.id,
      amount: money(dice.between(500, 250_000)),
      currency: dice.oneOf(["EUR", "EUR", "SEK", "USD"]),
      card_number: cardNumber(dice),
      card_holder: payer.name.toUpperCase(),
      paid_at: day(2025, dice.between(0, 364), dice),
    };
  });
  const orders = Array.from({ length: ORDERS }, (_, index) => ({
    id: index + 1,
    customer_id: dice.oneOf(customers).id,
    product_id: dice.oneOf(products).id,
    quantity: dice.between(1, 5),
    status: dice.oneOf(["paid", "packed", "shipped", "delivered", "returned"]),
    ordered_at: day(2025, dice.between(0, 364), dice),
  }));
  return { customers, payments, products, orders };
}

function customer(id: number, dice: Dice): Customer {
  const first = dice.oneOf(firstNames);
  const last = dice.oneOf(lastNames);
  const plain = (name: string): string =>
    name
      .normalize("NFD")
      .replaceAll(/[^A-Za-z]/gu, "")
      .toLowerCase();
  return {
    id,
    name: `${first} ${last}`,
    email: `${plain(first)}.${plain(last)}${id}@example.com`,
    phone: `+1-202-555-01${dice.digits(2)}`,
    // Areas 000, 666 and 900 on are never issued.
    ssn: `${String(dice.between(100, 665))}-${String(dice.between(1, 99)).padStart(2, "0")}-${String(dice.between(1, 9_999)).padStart(4, "0")}`,
    iban: iban(dice),
    date_of_birth: day(1950 + dice.between(0, 55), dice.between(0, 364), dice).slice(0, 10),
    address: `${dice.between(1, 180)} ${dice.oneOf(streets)}, ${dice.oneOf(cities)}`,
    created_at: day(2024, dice.between(0, 364), dice),
  };
}

const money = (cents: number): string => (cents / 100).toFixed(2);

const day = (year: number, offset: number, dice: Dice): string =>
  new Date(Date.UTC(year, 0, 1 + offset, dice.between(0, 23), dice.between(0, 59))).toISOString();

/** ISO 7812: the last digit makes the Luhn sum a multiple of ten. */
function cardNumber(dice: Dice): string {
  const body = `${dice.oneOf(["400000", "424242", "555555", "510510"])}${dice.digits(9)}`;
  let sum = 0;
  for (const [index, digit] of [...body].toReversed().entries()) {
    const value = Number(digit) * (index % 2 === 0 ? 2 : 1);
    sum += value > 9 ? value - 9 : value;
  }
  return `${body}${(10 - (sum % 10)) % 10}`;
}

/** ISO 13616: country and check digits behind the account, letters as numbers from 10, must leave 1 modulo 97. */
function iban(dice: Dice): string {
  const [country, length] = dice.oneOf([
    ["DE", 18],
    ["AT", 16],
    ["FI", 14],
  ] as const);
  const account = dice.digits(length);
  const countryDigits = [...country].map((letter) => Number.parseInt(letter, 36)).join("");
  const check = 98n - (BigInt(`${account}${countryDigits}00`) % 97n);
  return `${country}${String(check).padStart(2, "0")}${account}`;
}

/** A 32-bit xorshift (Marsaglia 2003): short, and the same on every machine. */
class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** From `low` to `high`, both included. */
  between(low: number, high: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return low + ((this.#state >>> 0) % (high - low + 1));
  }

  digits(count: number): string {
    return Array.from({ length: count }, () => this.between(0, 9)).join("");
  }

  oneOf<T>(values: readonly T[]): T {
    const value = values[this.between(0, values.length - 1)];
    if (value === undefined) throw new Error("Nothing to choose from.");
    return value;
  }
}
