-- Another database of the same cluster. An export includes all databases.
SET NAMES utf8mb4, time_zone = '+00:00';

-- The stock of each product at each place.
CREATE TABLE levels (
    warehouse char(3) NOT NULL,
    product_id int NOT NULL,
    quantity int NOT NULL,
    shelf smallint,
    counted_at datetime,
    PRIMARY KEY (warehouse, product_id)
);
INSERT INTO levels
SELECT elt(1 + i % 3, 'BER', 'NYC', 'OSA'), i div 3, floor(rand(i) * 500), i % 90, timestamp '2024-06-01 00:00:00' + interval i * 11 second
FROM (SELECT id - 1 AS i FROM sales.customers) AS numbers;
