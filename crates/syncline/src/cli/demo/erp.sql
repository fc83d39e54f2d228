create table CUSTOMER(CUSTNO integer primary key, EMAIL text not null unique, CNAME text, TEL text, BDATE text, STAT text not null);
create table SALES_ORDER(ORDNO integer primary key, REFEXT text not null unique, CUSTNO integer references CUSTOMER(CUSTNO), TOT integer);
create table SALES_LINE(LINENO integer primary key, ORDNO integer not null references SALES_ORDER(ORDNO), ITEM text not null, QTY integer);
create table STOCK(SNO integer primary key, SKU text not null unique, QTY integer not null);
create table USERS(UNO integer primary key, LOGIN text not null unique, UNAME text);
insert into CUSTOMER(CUSTNO, EMAIL, CNAME, TEL, BDATE, STAT) values
  (104, 'grace@example.com', 'Grace Hopper', '+33622334455', '19761209', '0'),
  (105, 'linus@example.com', 'Linus Pauling', '+33699887766', '19010228', '1');
insert into STOCK(SKU, QTY) values ('TEA', 20), ('MUG', 7);
