-- The shop in MariaDB, with what makes its types awkward.
SET SESSION sql_mode = '', time_zone = '+00:00';
CREATE TABLE customer (
    id BIGINT UNSIGNED PRIMARY KEY,
    name VARCHAR(60) CHARACTER SET latin1 NOT NULL,
    mail VARCHAR(80),
    born DATE,
    newsletter TINYINT(1),
    credit DECIMAL(12,2),
    since DATETIME(6),
    updated_at TIMESTAMP(3) NOT NULL DEFAULT '2026-01-01 00:00:00',
    KEY (updated_at)
);
INSERT INTO customer
SELECT seq, CONCAT('Kundin é ', seq), CONCAT('k', seq, '@example.com'), '1950-01-01' + INTERVAL seq DAY, seq % 2, seq * 1.01,
    '2024-01-01 12:00:00.000001' + INTERVAL seq HOUR, '2026-01-01 00:00:00.5' + INTERVAL seq MINUTE FROM seq_1_to_400;
INSERT INTO customer VALUES (18446744073709551615, 'Last', NULL, '0000-00-00', 5, -0.01, '2024-02-00 10:00:00', '2026-01-02');

CREATE TABLE product (
    sku CHAR(12) PRIMARY KEY,
    title TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    weight FLOAT,
    rating DOUBLE,
    price DECIMAL(38,4),
    big_number DECIMAL(65,10),
    stock INT UNSIGNED ZEROFILL,
    flags BIT(3),
    mask BIT(64),
    kind ENUM('book', 'toy'),
    tags SET('new', 'sale'),
    details JSON,
    picture VARBINARY(20),
    code UUID,
    address INET6,
    place POINT,
    year_made YEAR,
    opens TIME(3)
);
INSERT INTO product
SELECT CONCAT('SKU-', seq), CONCAT('Thing 😀 ', seq), seq * 0.1, SQRT(seq), seq * 0.0001, seq * 1e40, seq, seq % 8,
    18446744073709551615 - seq, IF(seq % 2, 'book', 'toy'), 'new,sale', JSON_OBJECT('a', seq * 1.10), UNHEX('00FF10'),
    '12345678-1234-1234-1234-123456789abc', '2001:db8::1', POINT(seq, -seq), 2024, '12:30:00.5' FROM seq_1_to_200;
INSERT INTO product (sku, opens, kind, year_made) VALUES
    ('long', '838:59:59', '', 0), ('before', '-00:00:01', 'book', NULL), ('midnight', '24:00:00', NULL, NULL);

CREATE TABLE sales_order (
    id INT PRIMARY KEY AUTO_INCREMENT,
    customer_id BIGINT UNSIGNED NOT NULL,
    total DECIMAL(12,2) NOT NULL,
    updated_at DATETIME NOT NULL
);
INSERT INTO sales_order SELECT seq, 1 + seq % 400, seq * 0.37, '2026-02-01' + INTERVAL seq SECOND FROM seq_1_to_3000;

CREATE TABLE order_line (order_id INT, line INT, quantity INT, PRIMARY KEY (order_id, line));
INSERT INTO order_line SELECT seq, 1, seq % 7 FROM seq_1_to_3000;

CREATE TABLE setting (name VARCHAR(20), value VARCHAR(20));
INSERT INTO setting VALUES ('currency', 'EUR'), ('currency', 'EUR'), ('vat', '19'), (NULL, NULL);

CREATE TABLE old_log (id INT PRIMARY KEY, line TEXT) ENGINE = MyISAM;
INSERT INTO old_log VALUES (1, 'a'), (2, 'it''s \\ "quoted"');
CREATE VIEW big_order AS SELECT id, total FROM sales_order WHERE total > 1000;
