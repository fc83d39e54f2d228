-- System A: the shop, on PostgreSQL. Run after data/northwind.sql, in the same database.
--
-- The data is a published dump and is used as it is: its names, its `real` prices, its
-- composite keys. A shop that is alive also hands out numbers for new orders, employees
-- and products, which a dump does not.

create sequence order_numbers as smallint start 11078;
create sequence employee_numbers as smallint start 10;
create sequence product_numbers as smallint start 78;
alter table orders alter order_id set default nextval('order_numbers');
alter table employees alter employee_id set default nextval('employee_numbers');
alter table products alter product_id set default nextval('product_numbers');
alter table products alter discontinued set default 0;
alter table order_details alter discount set default 0;
