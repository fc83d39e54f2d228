//! 1.2 and 1.6: what happens between our read and our write, and in the middle of a write.

use super::{
    CONTACT, LINKED,
    stage::{ALL, Given, Kind, Stage, Step::*, everywhere, written},
};

/// Makes a trigger: `event` is like `after insert on bell`.
fn trigger(stage: &Stage, at: usize, event: &str, body: &str) {
    let sql = match stage.kinds[at] {
        Kind::Postgres => format!(
            "create function act() returns trigger language plpgsql as $$ begin {body}; return new; end $$; create trigger act {event} for each row execute function act()"
        ),
        Kind::MariaDb => format!("create trigger act {event} for each row {body}"),
        Kind::Sqlite => format!("create trigger act {event} begin {body}; end"),
    };
    stage.sql(at, &sql);
}

/// Contacts, and a bell that is written before them.
const BELL: Given = Given {
    tables: "create table bell (id {id}, tone {text} not null unique);
             create table contact (id {id}, email {text} not null unique, name {text}, phone {text}, status {text})",
    mapping: "
entities:
  bell:
    in: {@bell}
    match: tone
    fields:
      tone: {@tone}
  contact:
    in: {@contact}
    match: email
    fields:
      email: {@email}
      name: {@name}
      phone: {@phone}
      status: {@status}
",
    ..CONTACT
};

#[test]
fn m17_an_edit_between_our_read_and_our_write_is_decided_about() {
    everywhere(&BELL, &[], |stage| {
        stage.take_steps(&[LINKED]);
        // Everything was read when the bell is written.
        trigger(stage, 1, "after insert on bell", "update contact set phone = 'P5'");
        stage.take_steps(&[
            In("a", "insert into bell (tone) values ('do'); update contact set phone = 'P1'"),
            Run([0, 2, 2]),
            Show(ALL, &["r@x|N0|P1|S0"]),
            Conflicts(&["phone P0: a=P1 b=P5, a by priority"]),
        ]);
    });
}

#[test]
fn m17_an_edit_of_another_field_between_our_read_and_our_write_is_kept() {
    everywhere(&BELL, &[], |stage| {
        stage.take_steps(&[LINKED]);
        trigger(stage, 1, "after insert on bell", "update contact set name = 'N5'");
        stage.take_steps(&[
            In("a", "insert into bell (tone) values ('do'); update contact set phone = 'P1'"),
            Cli(0, "run"),
            Cli(0, "run"),
            Show(ALL, &["r@x|N5|P1|S0"]),
            Conflicts(&[]),
        ]);
    });
}

#[test]
fn w9_an_unrelated_row_that_holds_the_value_is_not_touched() {
    everywhere(
        &CONTACT,
        &[("match: email", "match: email\n    when: status != 'internal'")],
        |stage| {
            stage.take_steps(&[
                LINKED,
                In("b", "insert into contact (id, email, name, status) values (29, 'e@x', 'N9', 'internal')"),
                Run([0, 0, 0]),
                In("a", "update contact set email = 'e@x'"),
                RunEnds(4, [0, 0, 1]),
                Show("b", &["e@x|N9|NULL|internal", "r@x|N0|P0|S0"]),
                Aside(&["write.unique_conflict -> b"]),
                Do(|stage| {
                    let entries = stage.expect(0, &["quarantine", "list"]);
                    let said = entries["result"][0]["message"].to_string();
                    assert!(said.contains("row 29"), "it names who holds it: {entries}");
                }),
                In("b", "delete from contact where id = 29"),
                Cli(0, "retry --all"),
                Cli(0, "run"),
                Show(ALL, &["e@x|N0|P0|S0"]),
            ]);
        },
    );
}

#[test]
fn w12_what_a_target_cuts_off_is_not_cut_off_elsewhere() {
    everywhere(&CONTACT, &[], |stage| {
        stage.take_steps(&[LINKED]);
        match stage.kinds[1] {
            Kind::Postgres => {
                trigger(stage, 1, "before update on contact", "new.name = left(new.name, 3)");
            }
            Kind::MariaDb => {
                trigger(stage, 1, "before update on contact", "set new.name = left(new.name, 3)");
            }
            Kind::Sqlite => {
                let body = "update contact set name = substr(name, 1, 3) where id = new.id";
                trigger(stage, 1, "after update of name on contact", body);
            }
        }
        stage.take_steps(&[
            In("a", "update contact set name = 'Margaret'"),
            Do(|stage| {
                let run = stage.expect(0, &["run"]);
                assert_eq!(written(&run), [0, 1, 1], "{run}");
                // The mapping of that field is flagged, and of no other.
                let flagged = serde_json::json!([{ "system": "b", "field": "name", "rows": 1 }]);
                assert_eq!(run["result"][0]["rewritten"], flagged, "{run}");
            }),
            Show("b", &["r@x|Mar|P0|S0"]),
            Show("ac", &["r@x|Margaret|P0|S0"]),
            In("b", "update contact set phone = 'P1'"),
            Run([1, 0, 1]),
            Show("ac", &["r@x|Margaret|P1|S0"]),
        ]);
    });
}

#[test]
fn w13_a_connection_that_breaks_in_a_batch_loses_and_doubles_nothing() {
    everywhere(&CONTACT, &[], |stage| {
        stage.take_steps(&[LINKED]);
        for at in [1, 2] {
            // The second row breaks the connection, or the transaction; the fifth is a deadlock.
            match stage.kinds[at] {
                Kind::Postgres => {
                    stage.sql(at, "create sequence hit");
                    let body = "case nextval('hit') when 2 then perform pg_terminate_backend(pg_backend_pid()); when 5 then raise exception sqlstate '40P01'; else null; end case";
                    trigger(stage, at, "before insert on contact", body);
                }
                Kind::MariaDb => {
                    let body = "begin set @hit = coalesce(@hit, 0) + 1; if @hit in (2, 5) then signal sqlstate '40001' set mysql_errno = 1213; end if; end";
                    stage.sql(at, &format!("delimiter //\ncreate trigger act before insert on contact for each row {body}//\ndelimiter ;\n"));
                }
                Kind::Sqlite => {}
            }
        }
        stage.take_steps(&[
            In("a", "insert into contact (email) values ('1'), ('2'), ('3'), ('4')"),
            Do(|stage| {
                // It may say that something went wrong; the next run needs no help.
                stage.syncline(&["run"]);
            }),
            Cli(0, "run"),
            Query(ALL, "select email from contact order by email", &["1", "2", "3", "4", "r@x"]),
        ]);
    });
}

/// Customers and orders whose references every system keeps whole, and a bell.
const SHOP: Given = Given {
    tables: "create table bell (id {id}, tone {text} not null unique);
             create table customer (id {id}, code {text} not null unique, name {text});
             create table orders (id {id}, number {text} not null unique, customer {big} not null, foreign key (customer) references customer (id))",
    rows: [
        "insert into customer (id, code, name) values (11, 'k', 'K')",
        "insert into customer (id, code, name) values (21, 'k', 'K')",
        "insert into customer (id, code, name) values (31, 'k', 'K')",
    ],
    mapping: "
entities:
  bell:
    in: {@bell}
    match: tone
    fields:
      tone: {@tone}
  customer:
    in: {@customer}
    match: code
    fields:
      code: {@code}
      name: {@name}
  orders:
    in: {@orders}
    match: number
    fields:
      number: {@number}
      customer: {ref: customer, @customer}
",
    show: "select k.code, o.number from customer k left join orders o on o.customer = k.id order by k.code, o.number",
};

#[test]
fn w5_a_delete_that_an_order_held_back_is_made_as_soon_as_the_order_is_gone() {
    everywhere(&SHOP, &[], |stage| {
        stage.take_steps(&[LINKED]);
        // Everything was read when somebody orders.
        let order = "insert into orders (number, customer) values ('o', 21)";
        trigger(stage, 1, "after insert on bell", order);
        stage.take_steps(&[
            In("a", "delete from customer; insert into bell (tone) values ('do')"),
            RunEnds(4, [0, 1, 2]),
            Aside(&["write.children_exist -> b"]),
            Show("b", &["k|o"]),
            // The next run sees the order, which refers to a customer that is to go.
            RunEnds(4, [0, 0, 0]),
            In("b", "delete from orders"),
            Run([0, 1, 0]),
            Show(ALL, &[]),
            Aside(&[]),
        ]);
    });
}

#[test]
fn w5_an_order_follows_at_once_when_its_customer_is_put_back() {
    let only_a = [("match: code", "match: code\n    deletes: {from: [a]}")];
    everywhere(&SHOP, &only_a, |stage| {
        stage.take_steps(&[LINKED]);
        trigger(stage, 1, "after insert on bell", "delete from customer");
        stage.take_steps(&[
            In("a", "insert into bell (tone) values ('do'); insert into orders (number, customer) values ('o', 11)"),
            Cli(0, "run --allow-partial"),
            Show(ALL, &["k|o"]),
            Aside(&[]),
        ]);
    });
}
