-- A shop's own database as a developer grew it over the years: ten tables, and most of what makes types awkward.
CREATE TYPE order_state AS ENUM ('new', 'paid', 'shipped', 'cancelled');
CREATE TYPE size_cm AS (width numeric(6,1), height numeric(6,1));
CREATE DOMAIN email AS text CHECK (value LIKE '%@%');
CREATE DOMAIN euro AS numeric(12,2);

CREATE TABLE customer (
    id uuid PRIMARY KEY,
    "Full Name" varchar(80) NOT NULL,
    mail email,
    born date,
    newsletter boolean,
    tags text[] NOT NULL DEFAULT '{}',
    profile jsonb,
    country char(2),
    credit euro,
    since timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
INSERT INTO customer
SELECT md5(g::text)::uuid, 'Kund ' || g || ' Ñandú-' || chr(128512), 'k' || g || '@example.com', date '1950-01-01' + g,
    g % 2 = 0, ARRAY['t' || g % 3, NULL, 'a "b", c'], jsonb_build_object('visits', g, 'note', 'x"y'), 'DE', g * 1.01,
    timestamptz '2024-01-01 00:00+02' + g * interval '1 hour', timestamptz '2026-01-01 00:00+00' + g * interval '1 minute'
FROM generate_series(1, 400) AS g;

CREATE TABLE address (
    id serial PRIMARY KEY,
    customer_id uuid NOT NULL REFERENCES customer,
    kind text NOT NULL,
    lines text[],
    position point,
    valid daterange
);
INSERT INTO address (customer_id, kind, lines, position, valid)
SELECT md5(g::text)::uuid, 'billing', ARRAY['Street ' || g, 'Floor 1'], point(g, -g), daterange('2024-01-01', NULL)
FROM generate_series(1, 300) AS g;

CREATE TABLE product (
    sku text PRIMARY KEY,
    title text NOT NULL,
    price numeric(12,2),
    weight_kg real,
    rating double precision,
    measures size_cm,
    words tsvector,
    stock smallint,
    big_number numeric(40,2),
    any_number numeric,
    tenths numeric(3,5),
    hundreds numeric(5,-2)
);
INSERT INTO product
SELECT 'SKU-' || lpad(g::text, 5, '0'), 'Thing ' || g, g * 0.99, g * 0.1, 1.0 / g, ROW(g, g + 0.5)::size_cm,
    to_tsvector('simple', 'thing ' || g), g, g * 1e30, g / 7.0, 0.00123, 12345
FROM generate_series(1, 200) AS g;
INSERT INTO product (sku, title, price, rating, any_number, big_number) VALUES
    ('SKU-NAN', 'Not a number', 'NaN', 'NaN', 'Infinity', 'NaN'),
    ('SKU-INF', 'Endless', NULL, '-Infinity', '-Infinity', 12345678901234567890123456789012345678.90);

CREATE TABLE price_list (
    sku text NOT NULL REFERENCES product,
    valid_from date NOT NULL,
    valid_to date,
    price euro NOT NULL,
    PRIMARY KEY (sku, valid_from)
);
INSERT INTO price_list
SELECT sku, date '2024-01-01', 'infinity', price FROM product WHERE price <> 'NaN';
INSERT INTO price_list VALUES ('SKU-NAN', '0044-03-15 BC', '5874897-12-31', 1);

CREATE TABLE sales_order (
    id bigint PRIMARY KEY,
    customer_id uuid NOT NULL REFERENCES customer,
    state order_state NOT NULL,
    total numeric(12,2) NOT NULL,
    placed_at timestamptz NOT NULL,
    promised_on timestamp,
    updated_at timestamptz NOT NULL
);
INSERT INTO sales_order
SELECT g, md5((1 + g % 400)::text)::uuid, (ARRAY['new','paid','shipped','cancelled'])[1 + g % 4]::order_state, g * 0.37,
    timestamptz '2025-01-01 12:00+00' + g * interval '7 minutes 3.000001 seconds',
    timestamp '2025-01-05' + g * interval '1 hour',
    timestamptz '2026-02-01 00:00+00' + g * interval '1 second'
FROM generate_series(1, 3000) AS g;
UPDATE sales_order SET promised_on = 'infinity' WHERE id = 7;
UPDATE sales_order SET placed_at = '-infinity' WHERE id = 8;
UPDATE sales_order SET placed_at = '0001-01-01 00:00:00+00 BC' WHERE id = 9;

CREATE TABLE order_line (
    order_id bigint NOT NULL REFERENCES sales_order,
    line smallint NOT NULL,
    sku text NOT NULL,
    quantity int NOT NULL,
    amount numeric(12,2) NOT NULL GENERATED ALWAYS AS (quantity * 1.5) STORED,
    PRIMARY KEY (order_id, line)
);
INSERT INTO order_line (order_id, line, sku, quantity)
SELECT o, l, 'SKU-' || lpad((1 + (o * l) % 200)::text, 5, '0'), l FROM generate_series(1, 3000) AS o, generate_series(1, 2) AS l;

CREATE TABLE payment (
    id bigserial PRIMARY KEY,
    order_id bigint NOT NULL,
    amount money NOT NULL,
    fee numeric,
    paid_at timestamptz,
    answer json
);
INSERT INTO payment (order_id, amount, fee, paid_at, answer)
SELECT g, (g * 0.37)::numeric(12,2), g * 0.001, timestamptz '2025-02-01' + g * interval '1 minute', '{"a" : 1.10}'
FROM generate_series(1, 1000) AS g;

CREATE TABLE web_session (
    id bigserial PRIMARY KEY,
    address inet,
    network cidr,
    device macaddr,
    stayed interval,
    opened time,
    closed timetz,
    flags bit(4),
    marks bit varying,
    pages xml
);
INSERT INTO web_session (address, network, device, stayed, opened, closed, flags, marks, pages) VALUES
    ('10.1.2.3/24', '10.1.2.0/24', '08:00:2b:01:02:03', '1 year 2 mons 3 days 04:05:06.7', '23:59:59.999999', '12:00+02',
     B'1010', B'1', '<p>x</p>'),
    ('2001:db8::1', NULL, NULL, '-1 days', '24:00', NULL, NULL, NULL, NULL);

CREATE TABLE document (
    id int PRIMARY KEY,
    name text,
    content bytea,
    note text
);
INSERT INTO document VALUES (1, 'empty', '', ''), (2, 'bytes', '\x00ff10'::bytea, E'a\tb\nc\\d'), (3, NULL, NULL, NULL);

CREATE TABLE setting (name text, value text);
INSERT INTO setting VALUES ('currency', 'EUR'), ('currency', 'EUR'), ('vat', '19'), (NULL, NULL);
