-- System C: the service desk, on SQLite. Small, friendly, and again different: words instead
-- of codes, dates as 2024-12-31, prices as text, everything in lower case.

create table contact (
    id       integer primary key autoincrement,
    code     text not null unique,
    company  text not null,
    person   text,
    role     text,
    street   text,
    city     text,
    region   text,
    zip      text,
    country  text,
    phone    text,
    fax      text
);

create table agent (
    id       integer primary key autoincrement,
    staff_no integer not null unique,
    first    text not null,
    last     text not null,
    title    text,
    courtesy text,
    born     text,
    since    text,
    phone    text,
    ext      text,
    boss     integer references agent (id)
);

create table item (
    id       integer primary key autoincrement,
    sku      integer not null unique,
    name     text not null,
    pack     text,
    price    text,
    stock    integer,
    incoming integer,
    minimum  integer,
    state    text not null default 'sold'
);

create table purchase (
    id       integer primary key autoincrement,
    number   integer not null unique,
    contact  integer references contact (id),
    agent    integer references agent (id),
    placed   text,
    due      text,
    sent     text,
    carrier  text,
    freight  text,
    receiver text,
    city     text,
    country  text
);

create table purchase_line (
    id       integer primary key autoincrement,
    purchase integer not null references purchase (id),
    item     integer not null references item (id),
    quantity integer not null,
    price    text not null,
    discount text not null,
    unique (purchase, item)
);

-- One customer that the shop has too, and one that only the desk knows.
insert into contact (code, company, person, role, street, city, region, zip, country, phone, fax) values
    ('BERGS', 'Berglunds snabbköp', 'Christina Berglund', 'Order Administrator', 'Berguvsvägen  8',
     'Luleå', null, 'S-958 22', 'Sweden', '0921-12 34 65', '0921-12 34 67'),
    ('WALKI', 'Walk-in customer', null, null, null, 'Seattle', 'WA', '98101', 'USA', null, null);
