use super::*;

/// Decodes a stored value of a column of this type and encodes it again: it must be the same.
fn same(type_name: &str, stored: &Stored, expected: &str) {
    let sample = match stored {
        Stored::Text(text) => Some(text.clone()),
        _ => None,
    };
    let codec = Codec::new("c", type_name, sample.as_deref());
    let value = codec.decode(ValueRef::from(stored)).unwrap();
    assert_eq!(format!("{} {value}", value.kind()), expected, "{type_name}");
    assert_eq!(&codec.encode(&value).unwrap(), stored, "{type_name}");
}

fn text(text: &str) -> Stored {
    Stored::Text(text.into())
}

#[test]
fn what_fits_its_declared_type_travels_and_comes_back_as_it_was() {
    same("INTEGER", &Stored::Integer(i64::MIN), "number -9223372036854775808");
    same("unsigned big int", &Stored::Integer(7), "number 7");
    same("NUMERIC(38,10)", &Stored::Real(0.1), "number 0.1");
    same("DECIMAL(10,2)", &Stored::Integer(12), "number 12");
    same("REAL", &Stored::Real(0.1), "float 0.1");
    same("VARCHAR(20)", &text("é "), "text é ");
    same("TEXT", &text(""), "text ");
    same("BLOB", &Stored::Blob(vec![0, 255]), "bytes \\x00ff");
    same("BOOLEAN", &Stored::Integer(1), "boolean true");
    same("DATE", &text("2024-02-29"), "date 2024-02-29");
    same("TIME", &text("10:02:03.500"), "time 10:02:03.5");
    same("DATETIME", &text("2024-02-29 10:02:03"), "local timestamp 2024-02-29 10:02:03");
    same("DATETIME", &text("2024-02-29T10:02:03.120000"), "local timestamp 2024-02-29 10:02:03.12");
    same("TIMESTAMP", &text("2024-02-29T10:02:03.120Z"), "timestamp 2024-02-29T10:02:03.12Z");
    same("JSON", &text(r#"{"a":[1,null]}"#), "map {a: [1, null]}");
    same(
        "UUID",
        &text("0f0e0d0c-0b0a-0908-0706-050403020100"),
        "uuid 0f0e0d0c-0b0a-0908-0706-050403020100",
    );
    same("", &text("x"), "text x");
    same("ANY", &Stored::Real(1.5), "float 1.5");
}

#[test]
fn what_does_not_fit_its_declared_type_is_refused_by_name() {
    let check = |type_name: &str, stored: Stored| {
        let problem = Codec::new("c", type_name, None).decode(ValueRef::from(&stored)).unwrap_err();
        assert!(problem.code.starts_with("read."), "{type_name}: {problem:?}");
        assert!(problem.message.contains("\"c\""));
    };
    check("INTEGER", text("abc"));
    check("INTEGER", Stored::Real(1.5));
    check("TEXT", Stored::Blob(vec![1]));
    check("BOOLEAN", Stored::Integer(2));
    check("BOOLEAN", text("true"));
    check("DATE", text("31/01/2024"));
    check("DATE", text("2024-02-30"));
    check("DATE", Stored::Integer(0));
    check("DATETIME", text("2024-02-29"));
    check("DATETIME", text("2024-02-29 10:02:03+02:00"));
    check("DATETIME", text("0000-00-00 00:00:00"));
    check("JSON", text("{"));
    check("NUMERIC", text("abc"));
    check("UUID", text("0F0E0D0C-0B0A-0908-0706-050403020100"));
}

#[test]
fn what_would_come_back_changed_is_not_written() {
    let check = |type_name: &str, value: Value| {
        let problem = Codec::new("c", type_name, None).encode(&value).unwrap_err();
        assert_eq!(problem.code, "write.type", "{type_name}");
    };
    check("NUMERIC", Value::Num(Decimal::parse("1234567890123456.789").unwrap()));
    check("INTEGER", Value::Num(Decimal::parse("9223372036854775808").unwrap()));
    check("INTEGER", Value::Num(Decimal::parse("1.5").unwrap()));
    check("REAL", Value::Float(Float::new(f64::NAN)));
    check("TEXT", Value::int(1));
}
