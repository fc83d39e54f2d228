create table contacts(id integer primary key, email text not null unique, name text, phone text, birth_date date, status text not null);
create table orders(id integer primary key, number text not null unique, contact_id integer references contacts(id), total decimal(12,2));
create table order_lines(id integer primary key, order_id integer not null references orders(id), sku text not null, qty integer);
create table stock(id integer primary key, sku text not null unique, on_hand integer not null);
create table app_users(id integer primary key, login text not null unique, full_name text);
insert into contacts(email, name, phone, birth_date, status) values
  ('ada@example.com', 'Ada Byron', '+33611223344', '1985-12-10', 'customer'),
  ('grace@example.com', 'Grace Hopper', '+33622334455', '1976-12-09', 'lead'),
  ('alan@example.com', 'Alan Turing', null, '1982-06-23', 'customer');
insert into orders(number, contact_id, total) values ('A-100', 1, '120.50'), ('A-101', 3, '48');
insert into order_lines(order_id, sku, qty) values (1, 'TEA', 2), (1, 'MUG', 1), (2, 'TEA', 4);
insert into app_users(login, full_name) values ('agent12', 'Jo Agent'), ('usr07', 'Kim User');
