BEGIN TRANSACTION;
CREATE TABLE contacts(id integer primary key, email text, name text, status text);
INSERT INTO "contacts" VALUES(1,'c1@example.com','Name 1','customer');
INSERT INTO "contacts" VALUES(2,'c2@example.com','Ada','lead');
INSERT INTO "contacts" VALUES(4,'c4@example.com','Name 4','strange');
COMMIT;
