BEGIN TRANSACTION;
CREATE TABLE CUSTOMER(NO integer primary key, EMAIL text, CNAME text, STAT text);
INSERT INTO "CUSTOMER" VALUES(1,'c1@example.com','Name 1',NULL);
INSERT INTO "CUSTOMER" VALUES(2,'c2@example.com','Ada','0');
INSERT INTO "CUSTOMER" VALUES(4,'c4@example.com','Name 4','0');
COMMIT;
