//! Which type travels how. Every type that is not named here is refused by name
//! (`docs/reference/types-postgresql.md`).

use syncline_core::{Text, decimal::Rounding};
use syncline_ports::catalog::{Column, NativeKind, Travels};
use tokio_postgres::types::Type;

use crate::postgres::{sql, value::Codec};

/// A type as the catalog names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TypeName {
    pub(crate) schema: String,
    pub(crate) name: String,
    /// `b`ase, `c`omposite, `d`omain, `e`num, `m`ultirange, `p`seudo, `r`ange.
    pub(crate) class: char,
}

/// How the values of a column are read and bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Carrier {
    /// What is on the wire, in both directions.
    pub(crate) codec: Codec,
    /// What is put around the column to read it: nothing, or `::text` behind it.
    pub(crate) read: (&'static str, &'static str),
    /// The type of a parameter.
    pub(crate) parameter: Type,
    /// The type of a list of parameters, one per row.
    pub(crate) parameters: Type,
    /// What is added to a parameter to write it: nothing, or `::inet`. Never with a length: such a
    /// cast truncates in silence, an assignment does not.
    pub(crate) write: String,
}

impl Carrier {
    fn native(codec: Codec, parameter: Type, parameters: Type) -> Self {
        Self { codec, read: ("", ""), parameter, parameters, write: String::new() }
    }

    fn by_text(cast: &str) -> Self {
        Self {
            codec: Codec::Text,
            read: ("", "::text"),
            parameter: Type::TEXT,
            parameters: Type::TEXT_ARRAY,
            write: format!("::{cast}"),
        }
    }

    /// The expression that reads a column.
    pub(crate) fn select(&self, column: &str) -> String {
        format!("{}{column}{}", self.read.0, self.read.1)
    }
}

/// How a type travels.
pub(crate) struct Way {
    pub(crate) carrier: Carrier,
    pub(crate) kind: NativeKind,
    /// The conversion, if it is one.
    pub(crate) by: Option<&'static str>,
}

const AS_WRITTEN: &str = "as PostgreSQL writes it as text";

/// How this type travels; `None`: it does not.
pub(crate) fn way(found: &TypeName) -> Option<Way> {
    let own = || sql::qualified(&found.schema, &found.name);
    let text = |by| Way { carrier: Carrier::by_text(&own()), kind: NativeKind::Text, by };
    match found.class {
        'e' => return Some(text(None)),
        // The text of a range of points in time depends on the session's zone.
        'r' | 'm' if found.schema == "pg_catalog" && !found.name.starts_with("tstz") => {
            return Some(text(Some(AS_WRITTEN)));
        }
        'b' => {}
        _ => return None,
    }
    if found.schema != "pg_catalog" {
        return match found.name.as_str() {
            "citext" => Some(text(None)),
            "hstore" | "ltree" => Some(text(Some(AS_WRITTEN))),
            _ => None,
        };
    }
    let native = |codec, parameter, parameters, kind, by| Way {
        carrier: Carrier::native(codec, parameter, parameters),
        kind,
        by,
    };
    Some(match found.name.as_str() {
        "bool" => native(Codec::Bool, Type::BOOL, Type::BOOL_ARRAY, NativeKind::Bool, None),
        "int2" => native(Codec::Int2, Type::INT2, Type::INT2_ARRAY, NativeKind::Num, None),
        "int4" => native(Codec::Int4, Type::INT4, Type::INT4_ARRAY, NativeKind::Num, None),
        "int8" => native(Codec::Int8, Type::INT8, Type::INT8_ARRAY, NativeKind::Num, None),
        "oid" => native(Codec::Oid, Type::OID, Type::OID_ARRAY, NativeKind::Num, None),
        "numeric" => {
            native(Codec::Numeric, Type::NUMERIC, Type::NUMERIC_ARRAY, NativeKind::Num, None)
        }
        "float4" => native(
            Codec::Float4,
            Type::FLOAT4,
            Type::FLOAT4_ARRAY,
            NativeKind::Float,
            Some("by the shortest decimal that reads back as the same single"),
        ),
        "float8" => {
            native(Codec::Float8, Type::FLOAT8, Type::FLOAT8_ARRAY, NativeKind::Float, None)
        }
        "text" | "varchar" => {
            native(Codec::Text, Type::TEXT, Type::TEXT_ARRAY, NativeKind::Text, None)
        }
        "bpchar" => native(
            Codec::Padded,
            Type::BPCHAR,
            Type::BPCHAR_ARRAY,
            NativeKind::Text,
            Some("without the spaces that pad it"),
        ),
        "bytea" => native(Codec::Bytes, Type::BYTEA, Type::BYTEA_ARRAY, NativeKind::Bytes, None),
        "uuid" => native(Codec::Uuid, Type::UUID, Type::UUID_ARRAY, NativeKind::Uuid, None),
        "date" => native(Codec::Date, Type::DATE, Type::DATE_ARRAY, NativeKind::Date, None),
        "time" => native(Codec::Time, Type::TIME, Type::TIME_ARRAY, NativeKind::Time, None),
        "timestamp" => native(
            Codec::Timestamp,
            Type::TIMESTAMP,
            Type::TIMESTAMP_ARRAY,
            NativeKind::LocalDateTime,
            None,
        ),
        "timestamptz" => native(
            Codec::Timestamptz,
            Type::TIMESTAMPTZ,
            Type::TIMESTAMPTZ_ARRAY,
            NativeKind::Instant,
            None,
        ),
        "interval" => native(
            Codec::Interval,
            Type::INTERVAL,
            Type::INTERVAL_ARRAY,
            NativeKind::Interval,
            None,
        ),
        "json" => native(
            Codec::Json,
            Type::JSON,
            Type::JSON_ARRAY,
            NativeKind::Json,
            Some("by what the document means: without spacing, order and repetition of names"),
        ),
        "jsonb" => native(
            Codec::Jsonb,
            Type::JSONB,
            Type::JSONB_ARRAY,
            NativeKind::Json,
            Some("by what the document means: a number without trailing zeros, null as NULL"),
        ),
        "money" => Way {
            carrier: Carrier {
                codec: Codec::Numeric,
                read: ("", "::numeric"),
                parameter: Type::NUMERIC,
                parameters: Type::NUMERIC_ARRAY,
                write: "::money".into(),
            },
            kind: NativeKind::Num,
            by: Some("as numeric, without its currency sign"),
        },
        // A cast to `bit` alone means `bit(1)`.
        "bit" | "varbit" => Way {
            carrier: Carrier::by_text("pg_catalog.varbit"),
            kind: NativeKind::Text,
            by: Some("as text of 0 and 1"),
        },
        // Its cast to text adds `/32` to an address that is written without.
        "inet" => Way {
            carrier: Carrier {
                read: ("textin(inet_out(", "))"),
                ..Carrier::by_text("pg_catalog.inet")
            },
            kind: NativeKind::Text,
            by: Some(AS_WRITTEN),
        },
        "timetz" | "cidr" | "macaddr" | "macaddr8" | "xml" | "point" | "line" | "lseg" | "box"
        | "path" | "polygon" | "circle" | "tsvector" | "tsquery" | "pg_lsn" | "jsonpath"
        | "name" | "char" => text(Some(AS_WRITTEN)),
        _ => return None,
    })
}

/// How an array of such elements travels.
pub(crate) fn array_way(element: &TypeName) -> Option<Way> {
    let inner = way(element)?;
    let read = match inner.carrier.read {
        ("", "") => ("", ""),
        (_, "::numeric") => ("", "::numeric[]"),
        (_, _) => ("", "::text[]"),
    };
    Some(Way {
        carrier: Carrier {
            codec: Codec::Array(Box::new(inner.carrier.codec)),
            read,
            parameter: Type::TEXT,
            parameters: Type::TEXT_ARRAY,
            write: format!(
                "::{}[]",
                // As above, and `"char"` needs its quotes.
                if element.name == "bit" {
                    "pg_catalog.varbit".to_owned()
                } else {
                    sql::qualified(&element.schema, &element.name)
                }
            ),
        },
        kind: NativeKind::List,
        by: inner.by,
    })
}

/// Fills in what a column's type says about its values.
pub(crate) fn describe(column: &mut Column, found: &TypeName, modifier: i32, way: Option<&Way>) {
    column.travels = match way {
        None => Travels::Refused,
        Some(Way { kind, by: None, .. }) => Travels::Exactly(*kind),
        Some(Way { kind, by: Some(by), .. }) => Travels::Converted(*kind, Text::new(by)),
    };
    let limit = || u32::try_from(modifier).ok();
    match found.name.as_str() {
        "varchar" | "bpchar" => column.length_max = limit().and_then(|max| max.checked_sub(4)),
        "bit" | "varbit" => column.length_max = limit(),
        "char" if found.schema == "pg_catalog" => column.length_max = Some(1),
        "int2" | "int4" | "int8" | "oid" => column.scale = Some(0),
        "money" => {
            column.rounds = Some(Rounding::HalfUp);
        }
        "numeric" => {
            if let Some(packed) = modifier.checked_sub(4).filter(|packed| *packed >= 0) {
                column.precision = u32::try_from(packed >> 16).ok();
                // Eleven bits with a sign; a negative scale rounds before the point.
                let scale = ((packed & 0x7ff) ^ 0x400) - 0x400;
                column.scale = Some(u32::try_from(scale).unwrap_or(0));
                column.rounds = Some(Rounding::HalfUp);
            }
        }
        "time" | "timestamp" | "timestamptz" => {
            column.scale = Some(limit().unwrap_or(6));
            column.rounds = Some(Rounding::HalfUp);
        }
        "interval" => {
            column.scale = Some(limit().map_or(6, |packed| packed & 0xffff).min(6));
            column.rounds = Some(Rounding::HalfUp);
        }
        _ => {}
    }
    if matches!(found.name.as_str(), "citext" | "bpchar") {
        column.folds = true;
    }
}

#[cfg(test)]
mod tests;
