-- A hub as version 6 of its tables was sealed, with a key of 64 fives, by the program of that time.
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
INSERT INTO "action" VALUES(1,1795872746844852,'somebody','config.load','179cf28a4df8','',X'888de2d9530ca96339534ef31b7b02809c274eb9f74f8af3d0bea049b6a566e7');
INSERT INTO "action" VALUES(2,1795872746845748,'somebody','run','','',X'338e8a9def7b71b6175a9769bc72cf25af0d1466cb794696a9aca0c8d104b340');
INSERT INTO "action" VALUES(3,1795881410093911,'somebody','config.load','179cf28a4df8','',X'85a74abf5e9e5bba7598f49e8903929193ff22a8c5841b9e2f4be6ce05d9cf74');
INSERT INTO "action" VALUES(4,1795881410094752,'somebody','run','','',X'5bd1652871e4a2342ad3c50ed7d92b32fd15ada0cf96d1282a2cf083ba597e5d');
INSERT INTO "action" VALUES(5,1795892895817856,'somebody','pause','contacts','',X'137d8845c96151a4be13ec3f7b084c11226f65f481f25d7fd23af56b8eb4326d');
INSERT INTO "action" VALUES(6,1795892895870198,'somebody','resume','contacts','',X'66eeafa3a36e52bd31603581a9f3614361c394a378f387d7556d0ec6e3c75b22');
INSERT INTO "action" VALUES(7,1795892896144422,'somebody','config.load','f1ecf63ee9c1','',X'c02b592976f6ca7ea0aa3cdca5134fe818e986c9bc921bb5eab9d40a33115aa5');
INSERT INTO "action" VALUES(8,1795892896151506,'somebody','pause','contacts','',X'3e2a7549cfc1639efb3cb7b1cf03b342d4b5c52640852eb1d5c01dbcc9ddb56b');
INSERT INTO "action" VALUES(9,1795892896224501,'somebody','resume','contacts','',X'38623efe987cbb8526ab6929b47b004376ee306505ed70a51b5162144803312e');
CREATE TABLE approval (
    entity text primary key,
    meaning blob not null,
    who text not null,
    at integer not null
) strict, without rowid;
INSERT INTO approval VALUES('contacts',X'eae6217b1e42e07cce64293c1a10143b','somebody',1795835164783034);
CREATE TABLE audit (
    first integer primary key,
    run integer not null,
    at integer not null,
    events integer not null,
    data blob not null
, hash blob) strict;
INSERT INTO audit VALUES(1,1,1795835164797453,4,X'031001a2201df87d700080000000513caf41000022c844222991287e805a2e87d16e2571ef4dd92216d2e5b95b5e8a833361dab080f71104c0000000000022fed5db319bbc1a21cf2c8951b83584057fcb5e207ba4afcc1360985db335fd3f6480044000000000002262a85de42128ab5db1df7f1d2c21ffe940bc157cbd7a9b579f7108d30ca2c10f578f0501c0000000000022e68f7f661977eaca0206cbe8f9c0296bdaec69cb8a982cef25ecd6a7c28d6b5f5d626251ffd3',NULL);
INSERT INTO audit VALUES(5,1,1795835164817111,4,X'031001a2201df87d700080000000513caf410100297e0dff77e54a6e39773e2595490c020f80f35735157fc01761c2dbf0647e3f732081c2651fbe23f5b904c000000001002901bad5f115761d78b1dbcda11d09eb8a04be8b9926e3d4ddd29c013d21d32702f57969b13f7fca3c2e04400000000100298dbd91ed86b02fb4ec51a8d539fa78a7709fecbb2a192a2f8c6abc34101f5c5df373139a2b375177fe0501c00000000100292e72026cd92745551550d374ea33710a31dad73e873032b188e1e46a03ee669a04e9de725a2aeee3e15fbc6af1',NULL);
INSERT INTO audit VALUES(9,2,1795835164878694,3,X'031001a2201df87d700080000000513caf410500324659c972235a12898830a64f1c4e1be8f2d88a41794fc1f7c1f3ca29989d9a65448b1d3e6e036b1247cce2a1775ba6e72e9504c000000005002fa9a243b7e8de7ed12381e4d41437c227425c5af62e8b746a958e95ea5413dcb8a3f8d2d3abc3c2de82577bb337da1304c0000000090023d2dae508cd33a8403c1853958991c06f99c1d95e1dabe63e53c0cce57fd71a7c2b6b4c1722cd46',NULL);
INSERT INTO audit VALUES(12,2,1795835164888850,1,X'031001a2201df87d700080000000d13caf41050022671c093f09313f174e78904c5955b340cf1139c4f3841b86ae5a83c03742eeb4b2d5b768a16a',NULL);
INSERT INTO audit VALUES(13,2,1795835164903886,1,X'031001a2201df87d700080000000913caf41090029bf3d88922e25bdee9cc06237c179b5f151ff5bf63599165b7aa8c6929c221c2df84fec8f5006a509d29a610918',NULL);
INSERT INTO audit VALUES(14,2,1795835164910219,1,X'031001a2201df87d700080000000d13caf410c002940bd4f95f4d37b1a990062adfd206c58f4af2ec7be7d7e989b7103cf92b2290899d2738b69d70817d855f3c938',NULL);
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
INSERT INTO "conflict" VALUES(1,X'01a2201df87d700080000000513caf41',0,X'0003',1,X'9618ae1e68d61de17c08964ed613dbaeb7a8e6d89b87dfc0de2016e1fb70a56ece49600a4799381daa8f2dc7bbf0aa4a3bf1a5d484c157',2,1795835164878694,NULL,NULL);
CREATE TABLE counter (
    kind integer not null,
    first integer not null,
    second integer not null,
    count integer not null,
    primary key (kind, first, second)
) strict, without rowid;
INSERT INTO counter VALUES(0,0,0,3);
INSERT INTO counter VALUES(0,1,0,3);
INSERT INTO counter VALUES(1,0,0,3);
INSERT INTO counter VALUES(1,0,1,3);
INSERT INTO counter VALUES(2,0,0,3);
INSERT INTO counter VALUES(3,0,1,0);
INSERT INTO counter VALUES(4,0,1,0);
INSERT INTO counter VALUES(5,0,1,0);
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
INSERT INTO ledger VALUES(1,0,0,4);
INSERT INTO ledger VALUES(2,0,0,3);
INSERT INTO ledger VALUES(2,0,6,4);
INSERT INTO ledger VALUES(2,1,1,3);
INSERT INTO ledger VALUES(2,1,7,1);
INSERT INTO ledger VALUES(3,0,1,2);
INSERT INTO ledger VALUES(3,0,6,3);
INSERT INTO ledger VALUES(3,1,1,3);
INSERT INTO ledger VALUES(4,0,1,2);
INSERT INTO ledger VALUES(4,0,6,3);
INSERT INTO ledger VALUES(4,1,1,3);
INSERT INTO ledger VALUES(5,0,1,2);
INSERT INTO ledger VALUES(5,0,6,3);
INSERT INTO ledger VALUES(5,1,1,3);
CREATE TABLE match (
    entity integer not null,
    rule integer not null,
    digest blob not null,
    record blob not null,
    primary key (entity, rule, digest, record)
) strict, without rowid;
INSERT INTO "match" VALUES(0,0,X'025c2234cf6708c154f20a3aa53c1408',X'01a2201df87d700080000000913caf41');
INSERT INTO "match" VALUES(0,0,X'0425c921cc5052784dac3a36ae8beb80',X'01a2201df87d700080000001113caf41');
INSERT INTO "match" VALUES(0,0,X'07e303deeba17add8ac17dc03abe3957',X'01a2201df87d700080000000d13caf41');
INSERT INTO "match" VALUES(0,0,X'3d9e0c6f0f52e9c06a0e3a44536660cd',X'01a2201df87d700080000000513caf41');
CREATE TABLE match_log (
    number integer primary key,
    data blob not null
) strict;
CREATE TABLE note (
    name text primary key,
    value text not null
) strict, without rowid;
INSERT INTO note VALUES('approved:contacts','{"by":null,"entity":{"in":{"crm":"contacts","erp":"CUSTOMER"},"match":"email","fields":{"email":{"crm":"email","erp":"EMAIL"},"name":{"crm":"name","erp":"CNAME"},"status":{"type":"enum","values":["lead","customer"],"crm":"status","erp":{"column":"STAT","values":{"lead":"0","customer":"1"}},"conflicts":"manual"}}},"defaults":{"conflicts":"priority","deletes":"propagate","delete_conflict":"priority","on_target_edit":"revert","on_parent_delete":"wait","on_leave":"freeze","max_skew":"5m","reconcile":"daily","retention":{"logs":"30d"},"guards":{"empty_source":{"min":10},"loop":{"reflexes":3,"within":"10m","then":"hold_field"},"deletes":{"max":50,"max_percent":1},"updates":{"max":50,"max_percent":20}}},"lookups":{}}');
INSERT INTO note VALUES('columns:scan:contacts@crm','["id","email","name","status"]');
INSERT INTO note VALUES('columns:scan:contacts@erp','["NO","EMAIL","CNAME","STAT"]');
INSERT INTO note VALUES('complete:scan:contacts@crm','1795881410095944 eae6217b1e42e07cce64293c1a10143b');
INSERT INTO note VALUES('complete:scan:contacts@erp','1795881410095944 eae6217b1e42e07cce64293c1a10143b');
INSERT INTO note VALUES('config.loaded','179cf28a4df8');
INSERT INTO note VALUES('contact:crm','1795881410105409 - -');
INSERT INTO note VALUES('contact:erp','1795881410105409 - -');
INSERT INTO note VALUES('loaded:configuration','f1ecf63ee9c1');
INSERT INTO note VALUES('numbering','{"systems":["crm","erp"],"entities":[["contacts",["email","name","status"]]],"bindings":[["contacts","crm"],["contacts","erp"]],"rules":[["contacts",[["email"]]]]}');
INSERT INTO note VALUES('success:contacts','1795881410106336');
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
INSERT INTO quarantine VALUES(1,X'0000051000000104',0,X'1000000104',0,X'01a2201df87d700080000001113caf41','map.unknown_value','status: "strange" is not one of the field''s values',X'452935c37be92da2f2df2ad05caec7c9b0658b7cd6337099f3c3bc0e58620cb6b4a66f6095f36d77bcfadf7962c3a3b44410',X'',NULL,NULL,1,1795835164878694,2,0,NULL,NULL);
CREATE TABLE reading (
    entity integer not null,
    binding integer not null,
    key blob not null,
    primary key (entity, binding, key)
) strict, without rowid;
INSERT INTO reading VALUES(0,0,X'1000000104');
CREATE TABLE record (
    id blob primary key,
    revision integer not null,
    entity integer not null,
    alive integer not null,
    audit integer not null,
    data blob not null
) strict, without rowid;
INSERT INTO record VALUES(X'01a2201df87d700080000000513caf41',4,0,1,9,X'0204ef587974c850d3579477faaa6ecb0ff1fa7e18af8beef7f97cb3ae88eb617116e480c8dc4ff50646598c23880f11a69dc0bc847342db5b7c88fb3a62cfe3d5c281f8fe2ce17bb8198b7733d60af3abd260de31b4918e8b5d877cee15272a686ed44f5e8f381077733d798d0e35b290a952147a8d1ef5a6343afa5b96b8bf397476144a3cd2c7c9587e87ee65c6a784712e389127ff86ce3dcf259e8826adf215703ccd62cb9f13dfdea611c1c4c824fff861c07ccfede668b47e4242f37d7d754e278e7d023cfa7f55b0df38353d610dff71a1b1');
INSERT INTO record VALUES(X'01a2201df87d700080000000913caf41',6,0,1,13,X'0206c6d2c2a741b2c1d12b04b930f850dff0aadc75c47c5a2f53b1043279a9beda2a470ace9408ca2a6bd112eb7f491b7a6033d48bd3849d4423060f35ca02e026862a1eeb94e27018e34f107624848b93fe96e80cad5009f6bd8e1d610f4d83f834a2ecfe18d5f861359ffb4ef88562a6600b6bccb94d8c7a13937419537611');
INSERT INTO record VALUES(X'01a2201df87d700080000000d13caf41',6,0,0,14,X'0206aac78b27e642b0f559136806fe08d4e85bcc88ff7f7699e50bc3960dfc2a5ddb7352f4e1c484aba23a19ee1e71e8de7f795d8a458a32a171db3272b6a1a4071bc79128035f63c4e8126ad78ef6f9ffdd95834e9e55adcde4277b6f15fa52e063d3339f077c0720530ffa858830a7a7b3224b441b0296f5932d2711');
INSERT INTO record VALUES(X'01a2201df87d700080000001113caf41',4,0,1,5,X'02044c94cd2bbed3179b5e4673e2443d0e60435746f6f205a84949173b05a82760bbb9ab0bfbf01e8227c30e8ab6768d0ceee8ccaff5fb9077247efc69f55b69ae46fa912d756d41e23cedd84fe862d3de1791b18f9f7ff82581ca7370a126172e39b1186d8694abe5a091016fca');
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
INSERT INTO "row" VALUES(0,X'1000000101',X'01a2201df87d700080000000513caf41',0,X'b76e19c0397352e7790af6087619d6115d3c508c8cf745d52c564dd991380e3b');
INSERT INTO "row" VALUES(0,X'1000000102',X'01a2201df87d700080000000913caf41',2,X'f37aee4b3417d9060a1015696075e41b64181f0ca8437cfae44e2b13b86463a9');
INSERT INTO "row" VALUES(0,X'1000000103',X'01a2201df87d700080000000d13caf41',0,NULL);
INSERT INTO "row" VALUES(0,X'1000000104',X'01a2201df87d700080000001113caf41',0,X'7f232764ee0946cb5cb7ff10779d17fb6f52a1a28e8c72586388225810c4b4ee');
INSERT INTO "row" VALUES(1,X'1000000101',X'01a2201df87d700080000000513caf41',0,X'044aca9bb52e322dc5cd13dea8460117fa63401de22a938a11f186fcb88adfba');
INSERT INTO "row" VALUES(1,X'1000000102',X'01a2201df87d700080000000913caf41',2,X'83fe9ac30229ad70c78824b57b585151401eba7ecd0fc624beb1c8eb798b3da8');
INSERT INTO "row" VALUES(1,X'1000000103',X'01a2201df87d700080000000d13caf41',0,NULL);
INSERT INTO "row" VALUES(1,X'1000000104',X'01a2201df87d700080000001113caf41',2,X'31ca2b4e611030dc75deede2f23d50508a6c1c6df7a97ff65f58cae028d9738f');
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
INSERT INTO run VALUES(1,'run',0,1795835164784334,1795835164824724,'ok','r-1  contacts    4 changed of 4 checked -> erp 4  0.0 s',X'020000000001040000');
INSERT INTO run VALUES(2,'run',0,1795835164871616,1795835164923765,'partial','r-2  contacts    3 changed of 7 checked, 2 set aside -> erp 2  0.1 s',X'020000000001000101');
INSERT INTO run VALUES(3,'run',0,1795843638690500,1795843638731277,'ok','r-3  contacts    nothing changed (6 checked)  0.0 s',X'020000000001000000');
INSERT INTO run VALUES(4,'run',0,1795872746847299,1795872746869752,'ok','r-4  contacts    nothing changed (6 checked)  0.0 s',X'020000000001000000');
INSERT INTO run VALUES(5,'run',0,1795881410095944,1795881410106336,'ok','r-5  contacts    nothing changed (6 checked)  0.0 s',X'020000000001000000');
CREATE TABLE state (
    one integer primary key check (one = 1),
    hub integer not null,
    operation integer not null,
    minted integer not null,
    changes integer not null
, changes_chain blob, actions_chain blob) strict;
INSERT INTO state VALUES(1,2495849015824658241,23,10,14,X'0000000000000000000000000000000000000000000000000000000000000000',X'38623efe987cbb8526ab6929b47b004376ee306505ed70a51b5162144803312e');
CREATE TABLE tally (
    entity integer not null,
    system integer not null,
    user text not null,
    data blob not null,
    primary key (entity, system, user)
) strict, without rowid;
CREATE TABLE vault (
    one integer primary key check (one = 1),
    key blob not null,
    common blob not null,
    next blob,
    is_clean integer not null
) strict;
INSERT INTO vault VALUES(1,X'b81991f75e840db6',X'5302ff1798f3faff18786233e5b18ebb9c191ea2500bc57d1ddaa334cafaceb024c199256bb13b9e15b9c66bba3fce28',NULL,1);
CREATE TABLE record_key (
    record blob primary key,
    key blob,
    sealed blob,
    erased_at integer
) strict, without rowid;
INSERT INTO record_key VALUES(X'01a2201df87d700080000000513caf41',X'b81991f75e840db6',X'd082e71c164d6c5c9e7e69378d5205362caa164543bf5fa49f55f58029b170b803611e65430751aaa940868b4d31ac09',NULL);
INSERT INTO record_key VALUES(X'01a2201df87d700080000000913caf41',X'b81991f75e840db6',X'2ea3fd4673e83bafa4c8a5ee166972c250f7033611569ab3bae00829dfee591c9d60ec9032a680129a62f8ac0667e0f2',NULL);
INSERT INTO record_key VALUES(X'01a2201df87d700080000000d13caf41',X'b81991f75e840db6',X'110efa7c270b772e9335519a9b0c356eeabb8926c7b374abaa957999a97aec27731b0d3dd11b65d4dc77c3cc52c54811',NULL);
INSERT INTO record_key VALUES(X'01a2201df87d700080000001113caf41',X'b81991f75e840db6',X'7beed7a3d33b3e56fa57b82c54e7a60bd1a53f681cd28de2719f71ecff34616c7028c354be72f45447c2c6f9909c1e1d',NULL);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('run',5);
INSERT INTO sqlite_sequence VALUES('conflict',1);
INSERT INTO sqlite_sequence VALUES('quarantine',1);
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
COMMIT;
pragma application_id = 1398361676;
pragma user_version = 6;
