-- The sample databases: 950,000 rows in four databases, with common types. The rows are the same in every run.
SET NAMES utf8mb4, time_zone = '+00:00', sql_mode = 'NO_AUTO_VALUE_ON_ZERO';

CREATE DATABASE sales;
CREATE DATABASE catalog;
CREATE DATABASE bank;
-- Names in the style of object mappers, with capitals.
CREATE DATABASE `Support`;

-- Numbers to generate rows from. The script drops this table at its end.
CREATE TABLE catalog.numbers (i int PRIMARY KEY);
INSERT INTO catalog.numbers
WITH d (n) AS (SELECT 0 UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5
               UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)
SELECT 1 + a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 10000 * e.n + 100000 * f.n
FROM d a, d b, d c, d, d e, d f WHERE f.n < 4;

-- The products, with nested documents, binary values, unsigned numbers.
CREATE TABLE catalog.products (
    id int unsigned PRIMARY KEY,
    sku char(36) NOT NULL,
    title varchar(80) NOT NULL,
    price decimal(10, 2) NOT NULL,
    weight float,
    specs json,
    thumbnail varbinary(200),
    delivery time,
    made_in year,
    added_on date
);
INSERT INTO catalog.products
SELECT i,
       concat_ws('-', substr(md5(i), 1, 8), substr(md5(i), 9, 4), substr(md5(i), 13, 4), substr(md5(i), 17, 4), substr(md5(i), 21, 12)),
       concat(elt(1 + i % 8, 'Kettle', 'Lamp', 'Chair', 'Notebook', 'Backpack', 'Bicycle bell', 'Teapot', 'Clock'), ' No. ', i),
       1 + floor(rand(i) * 20000) / 100,
       CASE WHEN i % 11 > 0 THEN rand(i + 1) * 30 END,
       json_object('colour', elt(1 + i % 4, 'red', 'green', 'blue', 'grün'), 'sizes', json_array(i % 5, i % 7)),
       unhex(md5(i)),
       maketime(24 + i % 200, i % 60, 0),
       2000 + i % 25,
       date '2019-01-01' + interval i % 2000 day
FROM catalog.numbers WHERE i <= 20000;

-- Page views in a partitioned table without a key.
CREATE TABLE catalog.page_views (viewed_at datetime(3) NOT NULL, product_id int, visitor binary(16), path text)
PARTITION BY RANGE COLUMNS (viewed_at) (
    PARTITION january VALUES LESS THAN ('2024-02-01'),
    PARTITION february VALUES LESS THAN ('2024-03-01'),
    PARTITION march VALUES LESS THAN (MAXVALUE));
INSERT INTO catalog.page_views
SELECT timestamp '2024-01-01 00:00:00' + interval i * 31 second, 1 + i * 7919 % 20000, unhex(md5(i % 9000)), concat('/products/', i % 20000)
FROM catalog.numbers WHERE i <= 250000;

-- An empty table is exported too. Its file has only the schema.
CREATE TABLE catalog.wishlists (id bigint unsigned PRIMARY KEY, customer_id int, products json, shared boolean);

-- The customers, with short codes, sets, missing values.
CREATE TABLE sales.customers (
    id int PRIMARY KEY,
    name varchar(100) NOT NULL,
    email varchar(120) CHARACTER SET latin1,
    country char(2),
    newsletter boolean,
    born date,
    interests set('garden', 'books', 'bikes'),
    last_ip varchar(45),
    score double,
    created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP
);
INSERT INTO sales.customers
SELECT i,
       concat(elt(1 + i % 6, 'Ada', 'Grace', 'Édith', 'Barbara', 'Annie', 'Radia'), ' ', upper(substr(md5(i), 1, 1)), substr(md5(i), 2, 6)),
       CASE WHEN i % 13 > 0 THEN concat('customer', i, '@example.com') END,
       elt(1 + i % 5, 'DE', 'FR', 'US', 'JP', 'BR'),
       i % 3 = 0,
       date '1950-01-01' + interval i % 20000 day,
       i % 8,
       concat_ws('.', 10, i % 256, i div 256 % 256, 1),
       rand(i) * 100,
       timestamp '2020-01-01 00:00:00' + interval i * 47 minute
FROM catalog.numbers WHERE i <= 50000;

-- The orders. Both tables grow during the export; one transaction adds an order and its items.
CREATE TABLE sales.order_items (
    order_id bigint NOT NULL,
    line smallint NOT NULL,
    product_id int unsigned NOT NULL,
    quantity int NOT NULL,
    unit_price decimal(10, 2) NOT NULL,
    PRIMARY KEY (order_id, line)
);
INSERT INTO sales.order_items
SELECT (i + 1) div 2, 1 + (i + 1) % 2, p.id, 1 + i % 4, p.price
FROM catalog.numbers JOIN catalog.products p ON p.id = 1 + i * 7919 % 20000;

CREATE TABLE sales.orders (
    id bigint AUTO_INCREMENT PRIMARY KEY,
    customer_id int NOT NULL,
    status enum('placed', 'paid', 'shipped', 'returned') NOT NULL,
    total decimal(12, 2) NOT NULL,
    placed_at datetime(6) NOT NULL,
    shipping json
);
INSERT INTO sales.orders
SELECT order_id,
       1 + order_id * 7919 % 50000,
       elt(1 + order_id % 4, 'placed', 'paid', 'shipped', 'returned'),
       sum(quantity * unit_price),
       timestamp '2024-01-01 00:00:00' + interval order_id * 43210 * 1000 microsecond,
       CASE WHEN order_id % 4 = 2 THEN json_object('carrier', 'post', 'parcels', count(*)) END
FROM sales.order_items
GROUP BY order_id;

-- Ten thousand accounts of 1,000.00 each. Transfers only move money, so in every consistent copy the balances
-- sum to 10,000,000.00, and each is the initial balance plus the transfers of the account.
CREATE TABLE bank.accounts (id int PRIMARY KEY, holder varchar(40) NOT NULL, balance decimal(14, 2) NOT NULL);
INSERT INTO bank.accounts SELECT i, concat('Holder ', i), 1000 FROM catalog.numbers WHERE i <= 10000;
CREATE TABLE bank.transfers (
    id bigint AUTO_INCREMENT PRIMARY KEY,
    payer int NOT NULL,
    payee int NOT NULL,
    amount decimal(14, 2) NOT NULL,
    at timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)
);

DELIMITER $$
CREATE PROCEDURE bank.transfer(sender int, receiver int, amount decimal(14, 2))
BEGIN
    START TRANSACTION;
    UPDATE bank.accounts SET balance = balance - amount WHERE id = sender;
    UPDATE bank.accounts SET balance = balance + amount WHERE id = receiver;
    INSERT INTO bank.transfers (payer, payee, amount) VALUES (sender, receiver, amount);
    COMMIT;
END $$
CREATE PROCEDURE sales.place_order(customer int, product int)
BEGIN
    START TRANSACTION;
    INSERT INTO sales.orders (customer_id, status, total, placed_at)
        SELECT customer, 'placed', 3 * price, now(6) FROM catalog.products WHERE id = product;
    SET @placed = last_insert_id();
    INSERT INTO sales.order_items
        SELECT @placed, line, product, line, price
        FROM catalog.products, (SELECT 1 AS line UNION ALL SELECT 2) AS two_lines WHERE id = product;
    COMMIT;
END $$
DELIMITER ;

-- Questions of customers.
CREATE TABLE `Support`.`TicketNotes` (`ticketId` int, `noteNo` smallint, `openedAt` datetime, `Text` text, PRIMARY KEY (`ticketId`, `noteNo`));
INSERT INTO `Support`.`TicketNotes`
SELECT i div 3, 1 + i % 3, timestamp '2024-05-01 09:00:00' + interval i * 9 minute, concat('Where is my order ', i, '? ', repeat('Please. ', i % 6))
FROM catalog.numbers WHERE i <= 20000;

DROP TABLE catalog.numbers;

-- Three tables that cannot be exported. The task reports them and exports the others.
CREATE TABLE sales.price_list_2019 (sku text, `unit price` decimal(10, 2));
INSERT INTO sales.price_list_2019 VALUES ('A-1', 9.99);
CREATE TABLE sales.carts (session binary(16), product_id int) ENGINE = BLACKHOLE;
CREATE TABLE bank.old_cards (account_id int, valid_until datetime);
INSERT INTO bank.old_cards VALUES (1, '2019-12-31 00:00:00'), (2, '0000-00-00 00:00:00');
