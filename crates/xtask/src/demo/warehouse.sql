-- A second database of the same cluster: an export takes all of them.
SELECT setseed(0.75);

CREATE SCHEMA stock;

-- How much of what lies where.
CREATE TABLE stock.levels (
    warehouse char(3) NOT NULL,
    product_id int NOT NULL,
    quantity int NOT NULL,
    shelf smallint,
    counted_at timestamp,
    PRIMARY KEY (warehouse, product_id)
);
INSERT INTO stock.levels
SELECT (ARRAY['BER', 'NYC', 'OSA'])[1 + i % 3], i / 3, floor(random() * 500)::int, i % 90, timestamp '2024-06-01' + i * interval '11 seconds'
FROM generate_series(0, 49999) i;
