use super::*;

#[test]
fn names_are_split_into_words_however_they_are_joined() {
    for (name, expected) in [
        ("firstName", vec!["first", "name"]),
        ("FIRST_NAME", vec!["first", "name"]),
        ("CUSTNO", vec!["cust", "no"]),
        ("CNAME", vec!["c", "name"]),
        ("BDATE", vec!["bdate"]),
        ("address2", vec!["address", "2"]),
    ] {
        assert_eq!(words(name), expected, "{name}");
    }
}

#[test]
fn names_of_one_thing_are_more_alike_than_names_of_two() {
    let alike = [
        ("email", "EMAIL"),
        ("phone", "TEL"),
        ("birth_date", "BDATE"),
        ("quantity", "QTY"),
        ("postal_code", "ZIP"),
        ("status", "STAT"),
        ("customers", "CUSTOMER"),
        ("name", "CNAME"),
        ("balance", "SOLDE"),
    ];
    for (left, right) in alike {
        assert!(likeness(left, right) > 0.6, "{left} {right}: {}", likeness(left, right));
    }
    for (left, right) in
        [("email", "TEL"), ("name", "number"), ("utm_source", "IBAN"), ("city", "country")]
    {
        assert!(likeness(left, right) < 0.4, "{left} {right}: {}", likeness(left, right));
    }
}

#[test]
fn a_table_s_own_name_in_its_columns_says_nothing() {
    assert!(column_likeness(("products", "product_name"), ("ARTICLE", "TITLE")) > 0.8);
    assert!(column_likeness(("orders", "order_id"), ("SALES_ORDER", "ORD_NO")) > 0.3);
}

#[test]
fn names_become_words_of_the_file() {
    assert_eq!(tidy("dbo.SALES_ORDER"), "sales_order");
    assert_eq!(tidy("firstName"), "first_name");
    assert_eq!(tidy("2nd line"), "f_2nd_line");
}

#[test]
fn columns_that_change_with_every_write_are_known() {
    assert!(is_called("updated_at", "updated"));
    assert!(is_called("MODTS", "updated"));
    assert!(!is_called("created_at", "updated"));
}
