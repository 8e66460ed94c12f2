-- A second database of the same cluster. An export includes all databases.
SELECT setseed(0.75);

CREATE SCHEMA stock;

-- The stock of each product at each place.
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
