-- A hub as version 5 of its tables was written, by the program of that time.
BEGIN TRANSACTION;
CREATE TABLE action (
    number integer primary key,
    at integer not null,
    who text not null,
    what text not null,
    target text not null,
    detail text not null,
    hash blob not null
) strict;
INSERT INTO "action" VALUES(1,1795872746844852,'somebody','config.load','179cf28a4df8','',X'888DE2D9530CA96339534EF31B7B02809C274EB9F74F8AF3D0BEA049B6A566E7');
INSERT INTO "action" VALUES(2,1795872746845748,'somebody','run','','',X'338E8A9DEF7B71B6175A9769BC72CF25AF0D1466CB794696A9ACA0C8D104B340');
INSERT INTO "action" VALUES(3,1795881410093911,'somebody','config.load','179cf28a4df8','',X'85A74ABF5E9E5BBA7598F49E8903929193FF22A8C5841B9E2F4BE6CE05D9CF74');
INSERT INTO "action" VALUES(4,1795881410094752,'somebody','run','','',X'5BD1652871E4A2342AD3C50ED7D92B32FD15ADA0CF96D1282A2CF083BA597E5D');
CREATE TABLE approval (
    entity text primary key,
    meaning blob not null,
    who text not null,
    at integer not null
) strict, without rowid;
INSERT INTO "approval" VALUES('contacts',X'EAE6217B1E42E07CCE64293C1A10143B','somebody',1795835164783034);
CREATE TABLE audit (
    first integer primary key,
    run integer not null,
    at integer not null,
    events integer not null,
    data blob not null
, hash blob) strict;
INSERT INTO "audit" VALUES(1,1,1795835164797453,4,X'011001A2201DF87D700080000000513CAF41000000000001010510000001010000010000010004C0000000000000000001010510000001020000010000020440000000000000000001010510000001030000010000020501C00000000000000000010105100000010400000100000280A8A20B',NULL);
INSERT INTO "audit" VALUES(5,1,1795835164817111,4,X'011001A2201DF87D700080000000513CAF41010000000E0201051000000101000000000001076372656174656404C0000000010000000E02010510000001020000000000020440000000010000000E02010510000001030000000000020501C0000000010000000E0201051000000104000000000002031FB1F3',NULL);
INSERT INTO "audit" VALUES(9,2,1795835164878694,3,X'011001A2201DF87D700080000000513CAF41050000030401010510000001010120046C656164012008637573746F6D6572020000010004C0000000050000020401010510000001020120064E616D6520320120034164610200000204C0000000090000031102010510000001010001000000000242B40EAE',NULL);
INSERT INTO "audit" VALUES(12,2,1795835164888850,1,X'011001A2201DF87D700080000000D13CAF41050000000A01010510000001030000020000010037FCC22F',NULL);
INSERT INTO "audit" VALUES(13,2,1795835164903886,1,X'011001A2201DF87D700080000000913CAF41090000000E020105100000010200000000000107757064617465645A7A3DD6',NULL);
INSERT INTO "audit" VALUES(14,2,1795835164910219,1,X'011001A2201DF87D700080000000D13CAF410C0000000E02010510000001030000000000010764656C6574656494F22CAF',NULL);
CREATE TABLE behind (
    entity integer not null,
    system integer not null,
    record blob not null,
    kind integer not null,
    parked integer not null,
    not_before integer, since integer,
    primary key (entity, system, record)
) strict, without rowid;
CREATE TABLE checkpoint (
    stream text primary key,
    position blob not null
) strict, without rowid;
CREATE TABLE conflict (
    number integer primary key autoincrement,
    record blob not null,
    entity integer not null,
    subject blob not null,
    base_version integer not null,
    body blob not null,
    opened_run integer not null,
    opened_at integer not null,
    settled blob,
    settled_at integer
) strict;
INSERT INTO "conflict" VALUES(1,X'01A2201DF87D700080000000513CAF41',0,X'0003',1,X'20046C65616402032008637573746F6D6572CC9D9FD1AED3B006000400CC9D9FD1AED3B0060000',2,1795835164878694,NULL,NULL);
CREATE TABLE counter (
    kind integer not null,
    first integer not null,
    second integer not null,
    count integer not null,
    primary key (kind, first, second)
) strict, without rowid;
INSERT INTO "counter" VALUES(0,0,0,3);
INSERT INTO "counter" VALUES(0,1,0,3);
INSERT INTO "counter" VALUES(1,0,0,3);
INSERT INTO "counter" VALUES(1,0,1,3);
INSERT INTO "counter" VALUES(2,0,0,3);
INSERT INTO "counter" VALUES(3,0,1,0);
INSERT INTO "counter" VALUES(4,0,1,0);
INSERT INTO "counter" VALUES(5,0,1,0);
CREATE TABLE guard (
    number integer primary key autoincrement,
    code text not null,
    entity integer not null,
    system integer not null,
    count integer not null,
    linked integer not null,
    max integer not null,
    digest blob not null,
    at integer not null,
    state text not null,
    who text,
    samples blob not null
, user text not null default '') strict;
CREATE TABLE intent (
    id blob primary key,
    system integer not null,
    record blob not null
) strict, without rowid;
CREATE TABLE ledger (
    run integer not null,
    binding integer not null,
    disposition integer not null,
    count integer not null,
    primary key (run, binding, disposition)
) strict, without rowid;
INSERT INTO "ledger" VALUES(1,0,0,4);
INSERT INTO "ledger" VALUES(2,0,0,3);
INSERT INTO "ledger" VALUES(2,0,6,4);
INSERT INTO "ledger" VALUES(2,1,1,3);
INSERT INTO "ledger" VALUES(2,1,7,1);
INSERT INTO "ledger" VALUES(3,0,1,2);
INSERT INTO "ledger" VALUES(3,0,6,3);
INSERT INTO "ledger" VALUES(3,1,1,3);
INSERT INTO "ledger" VALUES(4,0,1,2);
INSERT INTO "ledger" VALUES(4,0,6,3);
INSERT INTO "ledger" VALUES(4,1,1,3);
INSERT INTO "ledger" VALUES(5,0,1,2);
INSERT INTO "ledger" VALUES(5,0,6,3);
INSERT INTO "ledger" VALUES(5,1,1,3);
CREATE TABLE match (
    entity integer not null,
    rule integer not null,
    digest blob not null,
    record blob not null,
    primary key (entity, rule, digest, record)
) strict, without rowid;
CREATE TABLE match_log (
    number integer primary key,
    data blob not null
) strict;
INSERT INTO "match_log" VALUES(1,X'01000012F1A00AF9F136128C988813DC53879F01A2201DF87D700080000000913CAF410100002EDC5684531241D11F61E940A68DC78F01A2201DF87D700080000001113CAF4101000035217FA0304200275789D45FEA72F0DC01A2201DF87D700080000000513CAF41010000614A42E74439481D60DCFC20773CFAFC01A2201DF87D700080000000D13CAF41');
CREATE TABLE note (
    name text primary key,
    value text not null
) strict, without rowid;
INSERT INTO "note" VALUES('approved:contacts','{"by":null,"entity":{"in":{"crm":"contacts","erp":"CUSTOMER"},"match":"email","fields":{"email":{"crm":"email","erp":"EMAIL"},"name":{"crm":"name","erp":"CNAME"},"status":{"type":"enum","values":["lead","customer"],"crm":"status","erp":{"column":"STAT","values":{"lead":"0","customer":"1"}},"conflicts":"manual"}}},"defaults":{"conflicts":"priority","deletes":"propagate","delete_conflict":"priority","on_target_edit":"revert","on_parent_delete":"wait","on_leave":"freeze","max_skew":"5m","reconcile":"daily","retention":{"logs":"30d"},"guards":{"empty_source":{"min":10},"loop":{"reflexes":3,"within":"10m","then":"hold_field"},"deletes":{"max":50,"max_percent":1},"updates":{"max":50,"max_percent":20}}},"lookups":{}}');
INSERT INTO "note" VALUES('columns:scan:contacts@crm','["id","email","name","status"]');
INSERT INTO "note" VALUES('columns:scan:contacts@erp','["NO","EMAIL","CNAME","STAT"]');
INSERT INTO "note" VALUES('complete:scan:contacts@crm','1795881410095944 eae6217b1e42e07cce64293c1a10143b');
INSERT INTO "note" VALUES('complete:scan:contacts@erp','1795881410095944 eae6217b1e42e07cce64293c1a10143b');
INSERT INTO "note" VALUES('config.loaded','179cf28a4df8');
INSERT INTO "note" VALUES('contact:crm','1795881410105409 - -');
INSERT INTO "note" VALUES('contact:erp','1795881410105409 - -');
INSERT INTO "note" VALUES('loaded:configuration','179cf28a4df8');
INSERT INTO "note" VALUES('numbering','{"systems":["crm","erp"],"entities":[["contacts",["email","name","status"]]],"bindings":[["contacts","crm"],["contacts","erp"]],"rules":[["contacts",[["email"]]]]}');
INSERT INTO "note" VALUES('success:contacts','1795881410106336');
CREATE TABLE pause (
    name text primary key,
    writes_only integer not null,
    until integer,
    since integer not null
) strict, without rowid;
CREATE TABLE quarantine (
    number integer primary key autoincrement,
    subject blob not null unique,
    binding integer,
    key blob,
    entity integer not null,
    record blob,
    code text not null,
    message text not null,
    row blob,
    related blob not null,
    awaits_binding integer,
    awaits_key blob,
    tries integer not null,
    since integer not null,
    run integer not null,
    retry integer not null,
    dropped text,
    dropped_by text
) strict;
INSERT INTO "quarantine" VALUES(1,X'0000051000000104',0,X'1000000104',0,X'01A2201DF87D700080000001113CAF41','map.unknown_value','status: "strange" is not one of the field''s values',X'03200E6334406578616D706C652E636F6D20064E616D6520342007737472616E6765',X'',NULL,NULL,1,1795835164878694,2,0,NULL,NULL);
CREATE TABLE reading (
    entity integer not null,
    binding integer not null,
    key blob not null,
    primary key (entity, binding, key)
) strict, without rowid;
INSERT INTO "reading" VALUES(0,0,X'1000000104');
CREATE TABLE record (
    id blob primary key,
    revision integer not null,
    entity integer not null,
    alive integer not null,
    audit integer not null,
    data blob not null
) strict, without rowid;
INSERT INTO "record" VALUES(X'01A2201DF87D700080000000513CAF41',4,0,1,9,X'01000401000303019AA895D1AED3B0060307200E6331406578616D706C652E636F6D0720064E616D6520310202B2F5092008637573746F6D65720200174A0105100000010103F2030209010200010201D8F9FFB80101CC9D9FD1AED3B0060101074E0105100000010103F20200020903000001000102000103020201B2D9AA910F02CC9D9FD1AED3B006020001CC9D9FD1AED3B00606010320046C65616402032008637573746F6D6572CC9D9FD1AED3B006000400CC9D9FD1AED3B006000000BA22EA25');
INSERT INTO "record" VALUES(X'01A2201DF87D700080000000913CAF41',6,0,1,13,X'01000601000303019AA895D1AED3B0060307200E6332406578616D706C652E636F6D0202B2F50920034164610720046C656164020017480105100000010203F2030209010101B9F1A9DA0C01CC9D9FD1AED3B006010113440105100000010203F20220013001070D000054B9451D');
INSERT INTO "record" VALUES(X'01A2201DF87D700080000000D13CAF41',6,0,0,14,X'0100060100020302A4BCA0D1AED3B00603020189940B200E6333406578616D706C652E636F6D020189940B20064E616D652033020189940B20046C6561640200054002051000000103020A030100010001000101014002051000000103030100010001000F00002893356A');
INSERT INTO "record" VALUES(X'01A2201DF87D700080000001113CAF41',4,0,1,5,X'01000401000303019AA895D1AED3B0060307200E6334406578616D706C652E636F6D0720064E616D6520340720046C656164020097400105100000010403F2030200010113440105100000010403F2022001300107090000E2FA3CCA');
CREATE TABLE reference (
    target blob not null,
    record blob not null,
    primary key (target, record)
) strict, without rowid;
CREATE TABLE row (
    binding integer not null,
    key blob not null,
    record blob not null,
    flags integer not null,
    digest blob,
    primary key (binding, key)
) strict, without rowid;
INSERT INTO "row" VALUES(0,X'1000000101',X'01A2201DF87D700080000000513CAF41',0,X'2B462B79475CF2DDC2BFF842A8F1915A');
INSERT INTO "row" VALUES(0,X'1000000102',X'01A2201DF87D700080000000913CAF41',2,X'E5423FBCEA4FFFF0966B3D3C26E3E6CF');
INSERT INTO "row" VALUES(0,X'1000000103',X'01A2201DF87D700080000000D13CAF41',0,NULL);
INSERT INTO "row" VALUES(0,X'1000000104',X'01A2201DF87D700080000001113CAF41',0,X'DD40CE6CC4FB7B91B5310A11EC5C8A0E');
INSERT INTO "row" VALUES(1,X'1000000101',X'01A2201DF87D700080000000513CAF41',0,X'A2C4106F1F718ECDEF894DC31033D496');
INSERT INTO "row" VALUES(1,X'1000000102',X'01A2201DF87D700080000000913CAF41',2,X'AD111D24F11B599BE8EFF44FD427BEC6');
INSERT INTO "row" VALUES(1,X'1000000103',X'01A2201DF87D700080000000D13CAF41',0,NULL);
INSERT INTO "row" VALUES(1,X'1000000104',X'01A2201DF87D700080000001113CAF41',2,X'11940EEBBE7CD08004E53006AE1E89A8');
CREATE TABLE run (
    number integer primary key autoincrement,
    kind text not null,
    entity integer,
    started integer not null,
    ended integer,
    outcome text not null,
    message text not null,
    writes blob not null
) strict;
INSERT INTO "run" VALUES(1,'run',0,1795835164784334,1795835164824724,'ok','r-1  contacts    4 changed of 4 checked -> erp 4  0.0 s',X'020000000001040000');
INSERT INTO "run" VALUES(2,'run',0,1795835164871616,1795835164923765,'partial','r-2  contacts    3 changed of 7 checked, 2 set aside -> erp 2  0.1 s',X'020000000001000101');
INSERT INTO "run" VALUES(3,'run',0,1795843638690500,1795843638731277,'ok','r-3  contacts    nothing changed (6 checked)  0.0 s',X'020000000001000000');
INSERT INTO "run" VALUES(4,'run',0,1795872746847299,1795872746869752,'ok','r-4  contacts    nothing changed (6 checked)  0.0 s',X'020000000001000000');
INSERT INTO "run" VALUES(5,'run',0,1795881410095944,1795881410106336,'ok','r-5  contacts    nothing changed (6 checked)  0.0 s',X'020000000001000000');
CREATE TABLE state (
    one integer primary key check (one = 1),
    hub integer not null,
    operation integer not null,
    minted integer not null,
    changes integer not null
, changes_chain blob, actions_chain blob) strict;
INSERT INTO "state" VALUES(1,2495849015824658241,23,10,14,X'0000000000000000000000000000000000000000000000000000000000000000',X'5BD1652871E4A2342AD3C50ED7D92B32FD15ADA0CF96D1282A2CF083BA597E5D');
CREATE TABLE tally (
    entity integer not null,
    system integer not null,
    user text not null,
    data blob not null,
    primary key (entity, system, user)
) strict, without rowid;
CREATE INDEX behind_later on behind (entity, not_before, system, kind, parked) where not_before is not null;
CREATE INDEX audit_run on audit (run);
CREATE INDEX conflict_of on conflict (record, subject);
CREATE INDEX conflict_open on conflict (number) where settled is null;
CREATE INDEX quarantine_awaits on quarantine (awaits_binding, awaits_key) where awaits_key is not null;
CREATE INDEX quarantine_retry on quarantine (entity, binding, key) where retry = 1;
CREATE INDEX run_of on run (entity, started);
CREATE INDEX run_kind on run (entity, kind);
CREATE INDEX run_age on run (started);
CREATE INDEX conflict_run on conflict (opened_run) where settled is null;
CREATE INDEX quarantine_run on quarantine (run);
CREATE INDEX action_at on action (at);
CREATE UNIQUE INDEX guard_open on guard (code, entity, system, user) where state = 'open';
CREATE INDEX quarantine_excess on quarantine (entity) where code = 'limit.user';
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('run',5);
INSERT INTO sqlite_sequence VALUES('conflict',1);
INSERT INTO sqlite_sequence VALUES('quarantine',1);
COMMIT;
pragma application_id = 1398361676;
pragma user_version = 5;
