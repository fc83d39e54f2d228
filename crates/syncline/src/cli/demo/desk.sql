create table people(id integer primary key, mail text not null unique, full_name text, phone text, born text, state text not null);
create table tickets(id integer primary key, number text not null unique, person integer references people(id), total decimal(12,2));
create table ticket_lines(id integer primary key, ticket integer not null references tickets(id), sku text not null, qty integer);
create table shelf(id integer primary key, sku text not null unique, qty integer not null);
create table operators(id integer primary key, login text not null unique, name text);
insert into people(mail, full_name, phone, born, state) values
  ('mary@example.com', 'Mary Shelley', null, '30/08/1997', 'active');
