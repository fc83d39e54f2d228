//! A value of the hub as a person types it: in the field's plain form, or refused.

use syncline_core::{
    lens::{self, CellSpec, FieldType, NativeKind},
    name::RecordId,
    value::Value,
};

use crate::report::Failure;

/// The golden value that a text means in this field; `null` is null. What the field cannot hold is
/// refused here, before it becomes everybody's value.
pub(crate) fn golden(name: &str, kind: &FieldType, text: &str) -> Result<Value, Failure> {
    if text == "null" {
        return Ok(Value::Null);
    }
    let refuse = |cause: String| {
        Failure::new("usage.value", format!("`{text}` is no value of {name}"))
            .cause(cause)
            .done("nothing was changed")
            .fix(form(kind))
    };
    if *kind == FieldType::Ref {
        let record = RecordId::parse(text).map(Value::Ref);
        return record.ok_or_else(|| refuse("it is not the id of a record".to_owned()));
    }
    // As a column of texts would hold it.
    let spec = CellSpec { native: Some(NativeKind::Text), ..CellSpec::default() };
    let read =
        lens::compile(kind, &spec, Some("UTC")).ok().map(|lens| lens.get0(&Value::text(text)));
    match read {
        Some(Ok(value)) => Ok(value),
        Some(Err(problem)) => Err(refuse(problem.message)),
        None => Err(refuse("values of this type cannot be typed".to_owned())),
    }
}

/// How a value of this type is typed.
fn form(kind: &FieldType) -> String {
    match kind {
        FieldType::Enum(values) => format!("one of {}", values.join(", ")),
        FieldType::Int => "a whole number, as in 12".into(),
        FieldType::Decimal | FieldType::Money { .. } => "a number, as in 12.50".into(),
        FieldType::Float => "a number, as in 1.5".into(),
        FieldType::Bool => "true or false".into(),
        FieldType::Date => "a date, as in 2024-01-31".into(),
        FieldType::Time => "a time, as in 10:30:00".into(),
        FieldType::Timestamp => "a point in time, as in 2024-01-31T10:30:00Z".into(),
        FieldType::LocalTimestamp => "a date and a time, as in 2024-01-31 10:30:00".into(),
        FieldType::Email => "an address, as in ada@example.com".into(),
        FieldType::Phone { .. } => "a telephone number, as in +34600111222".into(),
        FieldType::Uuid => "a UUID".into(),
        FieldType::Ref => "the id of a record, as `syncline explain` shows it".into(),
        FieldType::Json => "a JSON document".into(),
        FieldType::Any
        | FieldType::Text
        | FieldType::Bytes
        | FieldType::Set
        | FieldType::Interval => "mend the row in its system instead".into(),
    }
}

#[cfg(test)]
mod tests {
    //! What may be typed in which field.

    use syncline_core::decimal::Decimal;

    use super::*;

    fn check(kind: &FieldType, text: &str, expected: impl Into<Option<Value>>) {
        assert_eq!(golden("field", kind, text).ok(), expected.into(), "{text} in {kind:?}");
    }

    #[test]
    fn a_typed_value_is_one_that_the_field_can_hold() {
        let status = FieldType::Enum(vec!["lead".into(), "customer".into()]);
        check(&status, "lead", Some(Value::text("lead")));
        check(&status, "nonsense", None);
        check(&status, "null", Some(Value::Null));
        check(&FieldType::Int, "12", Decimal::parse("12").map(Value::Num));
        check(&FieldType::Int, "twelve", None);
        let euro = FieldType::Money { currency: Some("EUR".into()) };
        check(&euro, "12.50", Decimal::parse("12.5").map(Value::Num));
        check(&euro, "twelve", None);
        check(&FieldType::Bool, "true", Some(Value::Bool(true)));
        check(&FieldType::Date, "1970-01-02", Some(Value::Date(1)));
        check(&FieldType::Date, "02/01/1970", None);
        check(&FieldType::Time, "00:00:01", Some(Value::Time(1_000_000_000)));
        check(&FieldType::Timestamp, "1970-01-01T00:00:01Z", Some(Value::Instant(1, 0)));
        check(&FieldType::Email, "Ada@EXAMPLE.com", Some(Value::text("Ada@example.com")));
        check(&FieldType::Text, "free words", Some(Value::text("free words")));
        check(&FieldType::Any, "free words", Some(Value::text("free words")));
        check(&FieldType::Ref, "crm:12", None);
    }
}
