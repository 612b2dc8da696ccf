create table customers (
  id integer primary key,
  name text not null,
  email text not null unique,
  phone text not null,
  ssn text not null,
  iban text not null,
  date_of_birth date not null,
  address text not null,
  created_at timestamptz not null
);

create table payments (
  id integer primary key,
  customer_id integer not null references customers (id),
  amount numeric(12, 2) not null,
  currency text not null,
  card_number text not null,
  card_holder text not null,
  paid_at timestamptz not null
);

create table products (
  id integer primary key,
  name text not null,
  price numeric(12, 2) not null
);

create table orders (
  id integer primary key,
  customer_id integer not null references customers (id),
  product_id integer not null references products (id),
  quantity integer not null,
  status text not null,
  ordered_at timestamptz not null
);
