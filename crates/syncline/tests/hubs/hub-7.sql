-- A hub as version 7 of its tables was written, by the program of that time.
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
INSERT INTO "action" VALUES(7,1795895031796339,'somebody','run','','',X'c6512f658f60a3b6e22a6e271d1fd64102e7efb818ff68d5df4dbf98e840ecfa');
INSERT INTO "action" VALUES(8,1795895031964697,'somebody','run','','',X'3d1aac360626498b3b9caede98af609787902f01f5e4dcb6d7f5ff29b4ab84cf');
INSERT INTO "action" VALUES(9,1795895032096417,'somebody','run','','',X'e14fee48b4d42c8e2f601375f4417943c17ca0d7c6730ebd526a2c18e870a692');
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
INSERT INTO audit VALUES(1,1,1795835164797453,4,X'011001a2201df87d700080000000513caf41000000000001010510000001010000010000010004c0000000000000000001010510000001020000010000020440000000000000000001010510000001030000010000020501c00000000000000000010105100000010400000100000280a8a20b',NULL);
INSERT INTO audit VALUES(5,1,1795835164817111,4,X'011001a2201df87d700080000000513caf41010000000e0201051000000101000000000001076372656174656404c0000000010000000e02010510000001020000000000020440000000010000000e02010510000001030000000000020501c0000000010000000e0201051000000104000000000002031fb1f3',NULL);
INSERT INTO audit VALUES(9,2,1795835164878694,3,X'011001a2201df87d700080000000513caf41050000030401010510000001010120046c656164012008637573746f6d6572020000010004c0000000050000020401010510000001020120064e616d6520320120034164610200000204c0000000090000031102010510000001010001000000000242b40eae',NULL);
INSERT INTO audit VALUES(12,2,1795835164888850,1,X'011001a2201df87d700080000000d13caf41050000000a01010510000001030000020000010037fcc22f',NULL);
INSERT INTO audit VALUES(13,2,1795835164903886,1,X'011001a2201df87d700080000000913caf41090000000e020105100000010200000000000107757064617465645a7a3dd6',NULL);
INSERT INTO audit VALUES(14,2,1795835164910219,1,X'011001a2201df87d700080000000d13caf410c0000000e02010510000001030000000000010764656c6574656494f22caf',NULL);
INSERT INTO audit VALUES(15,7,1795895031980782,1,X'011001a2201df87d700080000000913caf410d00000204010105100000010201200341646101200342656103000001007949af14',X'a8c298f9f345b8a7522c86a22b7f424871ebfa257edbb9b3539f64c92c02bb6c');
INSERT INTO audit VALUES(16,7,1795895032011065,1,X'011001a2201df87d700080000000913caf410f0000000e020105100000010200000000000107757064617465648d254740',X'908a1e191e24077660d502eef6db3333e64aa4906542607c52d00f4825ea623c');
INSERT INTO audit VALUES(17,8,1795895032118747,1,X'011001a2201df87d700080000000913caf41100000020401010510000001020120034265610120034164610400000100cee18f26',X'37388e0f9b4fd5660ffbadc67d636d5512f88e4afb4387ab1c8cf1a4e06feca3');
INSERT INTO audit VALUES(18,8,1795895032192128,1,X'011001a2201df87d700080000000913caf41110000000e02010510000001020000000000010775706461746564727ee207',X'f63188b546b78f409fa2713b3ebe45ee63d9dfde623cc0d04a1923ddf512c74e');
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
INSERT INTO "conflict" VALUES(1,X'01a2201df87d700080000000513caf41',0,X'0003',1,X'20046c65616402032008637573746f6d6572cc9d9fd1aed3b006000400cc9d9fd1aed3b0060000',2,1795835164878694,NULL,NULL);
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
INSERT INTO ledger VALUES(6,0,1,2);
INSERT INTO ledger VALUES(6,0,6,3);
INSERT INTO ledger VALUES(6,1,1,3);
INSERT INTO ledger VALUES(7,0,0,1);
INSERT INTO ledger VALUES(7,0,1,1);
INSERT INTO ledger VALUES(7,0,6,4);
INSERT INTO ledger VALUES(7,1,1,3);
INSERT INTO ledger VALUES(8,0,0,1);
INSERT INTO ledger VALUES(8,0,1,1);
INSERT INTO ledger VALUES(8,0,6,4);
INSERT INTO ledger VALUES(8,1,1,3);
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
INSERT INTO match_log VALUES(1,X'01000012f1a00af9f136128c988813dc53879f01a2201df87d700080000000913caf410100002edc5684531241d11f61e940a68dc78f01a2201df87d700080000001113caf4101000035217fa0304200275789d45fea72f0dc01a2201df87d700080000000513caf41010000614a42e74439481d60dcfc20773cfafc01a2201df87d700080000000d13caf41');
CREATE TABLE note (
    name text primary key,
    value text not null
) strict, without rowid;
INSERT INTO note VALUES('approved:contacts','{"by":null,"entity":{"in":{"crm":"contacts","erp":"CUSTOMER"},"match":"email","fields":{"email":{"crm":"email","erp":"EMAIL"},"name":{"crm":"name","erp":"CNAME"},"status":{"type":"enum","values":["lead","customer"],"crm":"status","erp":{"column":"STAT","values":{"lead":"0","customer":"1"}},"conflicts":"manual"}}},"defaults":{"conflicts":"priority","deletes":"propagate","delete_conflict":"priority","on_target_edit":"revert","on_parent_delete":"wait","on_leave":"freeze","max_skew":"5m","reconcile":"daily","retention":{"logs":"30d","quarantine":"90d","history":"400d"},"guards":{"empty_source":{"min":10},"loop":{"reflexes":3,"within":"10m","then":"hold_field"},"deletes":{"max":50,"max_percent":1},"updates":{"max":50,"max_percent":20}}},"lookups":{}}');
INSERT INTO note VALUES('columns:scan:contacts@crm','["id","email","name","status"]');
INSERT INTO note VALUES('columns:scan:contacts@erp','["NO","EMAIL","CNAME","STAT"]');
INSERT INTO note VALUES('complete:scan:contacts@crm','1795895032104430 eae6217b1e42e07cce64293c1a10143b');
INSERT INTO note VALUES('complete:scan:contacts@erp','1795895032104430 eae6217b1e42e07cce64293c1a10143b');
INSERT INTO note VALUES('config.loaded','179cf28a4df8');
INSERT INTO note VALUES('contact:crm','1795895031855931 - -');
INSERT INTO note VALUES('contact:erp','1795895031855931 - -');
INSERT INTO note VALUES('loaded:configuration','179cf28a4df8');
INSERT INTO note VALUES('numbering','{"systems":["crm","erp"],"entities":[["contacts",["email","name","status"]]],"bindings":[["contacts","crm"],["contacts","erp"]],"rules":[["contacts",[["email"]]]]}');
INSERT INTO note VALUES('success:contacts','1795895032272461');
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
INSERT INTO quarantine VALUES(1,X'0000051000000104',0,X'1000000104',0,X'01a2201df87d700080000001113caf41','map.unknown_value','status: "strange" is not one of the field''s values',X'03200e6334406578616d706c652e636f6d20064e616d6520342007737472616e6765',X'',NULL,NULL,1,1795835164878694,2,0,NULL,NULL);
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
INSERT INTO record VALUES(X'01a2201df87d700080000000513caf41',4,0,1,9,X'01000401000303019aa895d1aed3b0060307200e6331406578616d706c652e636f6d0720064e616d6520310202b2f5092008637573746f6d65720200174a0105100000010103f2030209010200010201d8f9ffb80101cc9d9fd1aed3b0060101074e0105100000010103f20200020903000001000102000103020201b2d9aa910f02cc9d9fd1aed3b006020001cc9d9fd1aed3b00606010320046c65616402032008637573746f6d6572cc9d9fd1aed3b006000400cc9d9fd1aed3b006000000ba22ea25');
INSERT INTO record VALUES(X'01a2201df87d700080000000913caf41',12,0,1,18,X'01000c01000303019aa895d1aed3b0060307200e6332406578616d706c652e636f6d02049ccff685be0320034164610720046c656164020017480105100000010203f203021e020101c6d8c28e0c01dc8bfbd6ecd6b0060101b9f1a9da0c01b6f78bd7ecd6b006010113440105100000010203f2022001300107210000eb052762');
INSERT INTO record VALUES(X'01a2201df87d700080000000d13caf41',6,0,0,14,X'0100060100020302a4bca0d1aed3b00603020189940b200e6333406578616d706c652e636f6d020189940b20064e616d652033020189940b20046c6561640200054002051000000103020a030100010001000101014002051000000103030100010001000f00002893356a');
INSERT INTO record VALUES(X'01a2201df87d700080000001113caf41',4,0,1,5,X'01000401000303019aa895d1aed3b0060307200e6334406578616d706c652e636f6d0720064e616d6520340720046c656164020097400105100000010403f2030200010113440105100000010403f2022001300107090000e2fa3cca');
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
INSERT INTO "row" VALUES(0,X'1000000101',X'01a2201df87d700080000000513caf41',0,X'2b462b79475cf2ddc2bff842a8f1915a');
INSERT INTO "row" VALUES(0,X'1000000102',X'01a2201df87d700080000000913caf41',2,X'e5423fbcea4ffff0966b3d3c26e3e6cf');
INSERT INTO "row" VALUES(0,X'1000000103',X'01a2201df87d700080000000d13caf41',0,NULL);
INSERT INTO "row" VALUES(0,X'1000000104',X'01a2201df87d700080000001113caf41',0,X'dd40ce6cc4fb7b91b5310a11ec5c8a0e');
INSERT INTO "row" VALUES(1,X'1000000101',X'01a2201df87d700080000000513caf41',0,X'a2c4106f1f718ecdef894dc31033d496');
INSERT INTO "row" VALUES(1,X'1000000102',X'01a2201df87d700080000000913caf41',2,X'ad111d24f11b599be8eff44fd427bec6');
INSERT INTO "row" VALUES(1,X'1000000103',X'01a2201df87d700080000000d13caf41',0,NULL);
INSERT INTO "row" VALUES(1,X'1000000104',X'01a2201df87d700080000001113caf41',2,X'11940eebbe7cd08004e53006ae1e89a8');
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
INSERT INTO run VALUES(6,'run',0,1795895031819714,1795895031868187,'ok','r-6  contacts    nothing changed (6 checked)  0.0 s',X'020000000001000000');
INSERT INTO run VALUES(7,'run',0,1795895031972402,1795895032041316,'ok','r-7  contacts    1 changed of 6 checked -> erp 1  0.1 s',X'020000000001000100');
INSERT INTO run VALUES(8,'run',0,1795895032104430,1795895032272461,'ok','r-8  contacts    1 changed of 6 checked -> erp 1  0.2 s',X'020000000001000100');
CREATE TABLE state (
    one integer primary key check (one = 1),
    hub integer not null,
    operation integer not null,
    minted integer not null,
    changes integer not null
, changes_chain blob, actions_chain blob, moves integer not null default 0, moves_chain blob) strict;
INSERT INTO state VALUES(1,2495849015824658241,35,12,18,X'f63188b546b78f409fa2713b3ebe45ee63d9dfde623cc0d04a1923ddf512c74e',X'e14fee48b4d42c8e2f601375f4417943c17ca0d7c6730ebd526a2c18e870a692',4,X'78358a55a5ec9b8546370b673c4720843554e9259f7af8a18235a03aac3d08e8');
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
CREATE TABLE record_key (
    record blob primary key,
    key blob,
    sealed blob,
    erased_at integer
) strict, without rowid;
CREATE TABLE moves (
    number integer primary key,
    at integer not null,
    changes integer not null,
    data blob not null,
    hash blob not null
) strict;
INSERT INTO moves VALUES(1,1795895031980782,15,X'011001a2201df87d700080000000913caf412c000100000100010303019aa895d1aed3b00601010203c2e3e585be0320034265610100010301051000000102',X'afc643d361656c6b81f106ba8c60f321bcdad4ada025ef18b29413bd012cfd2b');
INSERT INTO moves VALUES(2,1795895032011065,16,X'011001a2201df87d700080000000913caf411e000100000100010303019aa895d1aed3b006000101010301051000000102',X'0a5516a1d9f2c6c0b6c2a1d0c5b45856fbff2e87320c5adda0325d00536820e2');
INSERT INTO moves VALUES(3,1795895032118747,17,X'011001a2201df87d700080000000913caf412c000100000100010303019aa895d1aed3b006010102049ccff685be0320034164610100010301051000000102',X'4f360983e87234e7be46163221640fbba5e0a4bae10227f8a96acc6c5f070276');
INSERT INTO moves VALUES(4,1795895032192128,18,X'011001a2201df87d700080000000913caf411e000100000100010303019aa895d1aed3b006000101010301051000000102',X'78358a55a5ec9b8546370b673c4720843554e9259f7af8a18235a03aac3d08e8');
CREATE TABLE snapshot_record (
    record blob primary key,
    data blob not null,
    hash blob,
    is_covered integer not null default 0
) strict, without rowid;
INSERT INTO snapshot_record VALUES(X'01a2201df87d700080000000513caf41',X'01000401000303019aa895d1aed3b0060307200e6331406578616d706c652e636f6d0720064e616d6520310202b2f5092008637573746f6d65720200174a0105100000010103f2030209010200010201d8f9ffb80101cc9d9fd1aed3b0060101074e0105100000010103f20200020903000001000102000103020201b2d9aa910f02cc9d9fd1aed3b006020001cc9d9fd1aed3b00606010320046c65616402032008637573746f6d6572cc9d9fd1aed3b006000400cc9d9fd1aed3b006000000ba22ea25',X'6c86114b0267bd6af63a9db228887cddb3f22fcebaba84054fddafe4776d0465',0);
INSERT INTO snapshot_record VALUES(X'01a2201df87d700080000000913caf41',X'01000601000303019aa895d1aed3b0060307200e6332406578616d706c652e636f6d0202b2f50920034164610720046c656164020017480105100000010203f2030209010101b9f1a9da0c01cc9d9fd1aed3b006010113440105100000010203f20220013001070d000054b9451d',X'8ba8cf11393098ce88d097bd14c666530025cc8800509c8bf9e501d91bcb3216',0);
INSERT INTO snapshot_record VALUES(X'01a2201df87d700080000000d13caf41',X'0100060100020302a4bca0d1aed3b00603020189940b200e6333406578616d706c652e636f6d020189940b20064e616d652033020189940b20046c6561640200054002051000000103020a030100010001000101014002051000000103030100010001000f00002893356a',X'fb514a8642062a38900ef134649327cb0f988cabdfa840bbe0f94d7ee7f9fa45',0);
INSERT INTO snapshot_record VALUES(X'01a2201df87d700080000001113caf41',X'01000401000303019aa895d1aed3b0060307200e6334406578616d706c652e636f6d0720064e616d6520340720046c656164020097400105100000010403f2030200010113440105100000010403f2022001300107090000e2fa3cca',X'089920d3de22b0fc6391c88b09309b3af2059f1cb4a1ea92b3023a35c4f824fe',0);
CREATE TABLE snapshot (
    one integer primary key check (one = 1),
    at integer not null,
    changes integer not null,
    changes_chain blob not null,
    moves integer not null,
    moves_chain blob not null,
    actions integer not null,
    actions_chain blob not null,
    records blob not null,
    signer blob not null,
    signature blob not null
) strict;
INSERT INTO snapshot VALUES(1,1795895031884018,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,X'0000000000000000000000000000000000000000000000000000000000000000',0,X'0000000000000000000000000000000000000000000000000000000000000000',X'f2ad3f31abc36137a0647b85e85f6602e312ca3110b3d12d0d212d2748c2d159',X'a1f72aa5be5eb1f94c62c0ea2f13cf0afd3070ee55afe2ed9c9e008fec30ef86',X'b92ef09e7b5bfbe5a8964c10ae72d3821c62983324f8db9529b57ff636f36c056e757b6763105033626bc5af355b9431055df966392d2d68509d45b37ca69506');
CREATE TABLE anchor (
    number integer primary key,
    at integer not null,
    changes integer not null,
    changes_chain blob not null,
    moves integer not null,
    moves_chain blob not null,
    actions integer not null,
    actions_chain blob not null,
    signer blob not null,
    signature blob not null
) strict;
INSERT INTO anchor VALUES(1,1795895031885857,14,X'0000000000000000000000000000000000000000000000000000000000000000',0,X'0000000000000000000000000000000000000000000000000000000000000000',7,X'c6512f658f60a3b6e22a6e271d1fd64102e7efb818ff68d5df4dbf98e840ecfa',X'a1f72aa5be5eb1f94c62c0ea2f13cf0afd3070ee55afe2ed9c9e008fec30ef86',X'7c027e3845ab04f0377197755a50767e069d6a49c24a8905ce14c3e0c19bb0c5aeb97fc751460b1744d7796a82c5ebb08512fe28723ebf8a549bf2efaaf9d102');
INSERT INTO anchor VALUES(2,1795895032046238,16,X'908a1e191e24077660d502eef6db3333e64aa4906542607c52d00f4825ea623c',2,X'0a5516a1d9f2c6c0b6c2a1d0c5b45856fbff2e87320c5adda0325d00536820e2',8,X'3d1aac360626498b3b9caede98af609787902f01f5e4dcb6d7f5ff29b4ab84cf',X'a1f72aa5be5eb1f94c62c0ea2f13cf0afd3070ee55afe2ed9c9e008fec30ef86',X'ab9b6ca48da2e4661422b7349a63e49a3825c35a0e74814e0851274e640772bacf22a1710ab573a538320ae4381c9aab412c7a4ae1d91ffb41a20122ee2f080d');
INSERT INTO anchor VALUES(3,1795895032293930,18,X'f63188b546b78f409fa2713b3ebe45ee63d9dfde623cc0d04a1923ddf512c74e',4,X'78358a55a5ec9b8546370b673c4720843554e9259f7af8a18235a03aac3d08e8',9,X'e14fee48b4d42c8e2f601375f4417943c17ca0d7c6730ebd526a2c18e870a692',X'a1f72aa5be5eb1f94c62c0ea2f13cf0afd3070ee55afe2ed9c9e008fec30ef86',X'7c8e0d7fc0c902f1c7e5f84bc9a9c664cc0cedf5ac3374b9f87690037e336304d7d86e69ffaf13f704aba1703997b6818ef7c32c72b0a11b7b0dde948c2ac90f');
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('run',8);
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
pragma user_version = 7;
