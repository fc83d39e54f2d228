-- System B: the ERP, on MariaDB. Other names, its own keys, and other ways to write things:
-- countries and carriers as codes, money in cents, discounts in percent, dates as 31/12/2024,
-- a contact's name in two columns, and "active" where the shop says "discontinued".

create table CUSTOMER (
    CUST_ID    int unsigned not null auto_increment primary key,
    CODE       char(5) not null unique,
    NAME       varchar(60) not null,
    FIRST      varchar(20),
    LAST       varchar(30),
    JOB        varchar(40),
    STREET     varchar(80),
    TOWN       varchar(30),
    STATE      varchar(30),
    ZIP        varchar(12),
    CTRY       char(2),
    TEL        varchar(30),
    FAX        varchar(30)
) engine = innodb default charset = utf8mb4;

create table STAFF (
    STAFF_ID   int unsigned not null auto_increment primary key,
    STAFF_NO   int not null unique,
    SURNAME    varchar(40) not null,
    FORENAME   varchar(20) not null,
    POSITION   varchar(40),
    SALUTATION char(1),
    BORN       char(10),
    JOINED     char(10),
    TEL        varchar(30),
    EXT        varchar(6),
    BOSS_ID    int unsigned,
    foreign key (BOSS_ID) references STAFF (STAFF_ID)
) engine = innodb default charset = utf8mb4;

create table ARTICLE (
    ART_ID     int unsigned not null auto_increment primary key,
    ART_NO     int not null unique,
    TITLE      varchar(60) not null,
    PACK       varchar(30),
    CENTS      int,
    STOCK      int,
    ON_ORDER   int,
    MINIMUM    int,
    ACTIVE     char(1) not null default 'Y'
) engine = innodb default charset = utf8mb4;

create table SALES_ORDER (
    ORD_ID     int unsigned not null auto_increment primary key,
    ORD_NO     int not null unique,
    CUST_ID    int unsigned,
    STAFF_ID   int unsigned,
    ORDERED    char(10),
    DUE        char(10),
    SHIPPED    char(10),
    CARRIER    char(3),
    FREIGHT    int,
    SHIP_NAME  varchar(60),
    SHIP_TOWN  varchar(30),
    SHIP_CTRY  char(2),
    foreign key (CUST_ID) references CUSTOMER (CUST_ID),
    foreign key (STAFF_ID) references STAFF (STAFF_ID)
) engine = innodb default charset = utf8mb4;

create table SALES_LINE (
    LINE_ID    int unsigned not null auto_increment primary key,
    ORD_ID     int unsigned not null,
    ART_ID     int unsigned not null,
    QTY        int not null,
    CENTS      int not null,
    PERCENT    int not null,
    unique (ORD_ID, ART_ID),
    foreign key (ORD_ID) references SALES_ORDER (ORD_ID),
    foreign key (ART_ID) references ARTICLE (ART_ID)
) engine = innodb default charset = utf8mb4;

-- The ERP is not empty: two customers that the shop has too, one with another telephone
-- number, and one that only the ERP knows.
insert into CUSTOMER (CODE, NAME, FIRST, LAST, JOB, STREET, TOWN, STATE, ZIP, CTRY, TEL, FAX) values
    ('ALFKI', 'Alfreds Futterkiste', 'Maria', 'Anders', 'Sales Representative', 'Obere Str. 57',
     'Berlin', null, '12209', 'DE', '030-0074321', '030-0076545'),
    ('AROUT', 'Around the Horn', 'Thomas', 'Hardy', 'Sales Representative', '120 Hanover Sq.',
     'London', null, 'WA1 1DP', 'GB', '(171) 555-0000', '(171) 555-6750'),
    ('NORDL', 'Nordlicht Feinkost', 'Svea', 'Lindqvist', 'Owner', 'Hafenstr. 3',
     'Kiel', null, '24103', 'DE', '0431-55501', null);
