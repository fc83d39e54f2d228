//! What passes between the driver and us: bytes as they are on the wire. The driver's own
//! conversions are not used for rows: they know fewer types, and make more copies.

use std::error::Error;

use bytes::{BufMut as _, Bytes, BytesMut};
use syncline_core::{error::Problem, value::Value};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::postgres::{
    types::Carrier,
    value::{Codec, Refusal, Wire as _},
};

type Failed = Box<dyn Error + Sync + Send>;

/// A value as it came; `None` is NULL.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a>(pub(crate) Option<&'a [u8]>);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Failed> {
        Ok(Self(Some(raw)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Failed> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A parameter as it goes; `None` is NULL.
#[derive(Clone, Debug)]
pub(crate) struct Parameter(pub(crate) Option<Vec<u8>>);

impl Parameter {
    /// One value.
    pub(crate) fn of(carrier: &Carrier, value: &Value) -> Result<Self, Problem> {
        if value.is_null() {
            return Ok(Self(None));
        }
        let mut raw = Vec::with_capacity(16);
        carrier.codec.encode(value, &mut raw)?;
        Ok(Self(Some(raw)))
    }

    /// A text of our own.
    pub(crate) fn text(text: &str) -> Self {
        Self(Some(text.as_bytes().to_vec()))
    }
}

impl ToSql for Parameter {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Failed> {
        match &self.0 {
            None => Ok(IsNull::Yes),
            Some(raw) => {
                out.put_slice(raw);
                Ok(IsNull::No)
            }
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// The values of one column for many rows, bound as one array.
#[derive(Debug)]
pub(crate) struct Column {
    raw: Vec<u8>,
    count: i32,
    has_null: bool,
}

/// Dimensions, whether there are NULLs, element type, length, lower bound.
const HEADER: usize = 20;

impl Column {
    pub(crate) fn new(rows: usize) -> Self {
        let mut raw = Vec::with_capacity(HEADER + 16 * rows);
        raw.resize(HEADER, 0);
        Self { raw, count: 0, has_null: false }
    }

    /// Adds the next row's value.
    pub(crate) fn push(&mut self, carrier: &Carrier, value: &Value) -> Result<(), Problem> {
        field(carrier, value, &mut self.raw)?;
        self.has_null |= value.is_null();
        self.count += 1;
        Ok(())
    }

    /// Adds the text of a document.
    pub(crate) fn push_document(&mut self, carrier: &Carrier, text: &str) {
        let version: &[u8] = if carrier.codec == Codec::Jsonb { &[1] } else { &[] };
        let length = (version.len() + text.len()) as u32;
        self.raw.extend_from_slice(&length.to_be_bytes());
        self.raw.extend_from_slice(version);
        self.raw.extend_from_slice(text.as_bytes());
        self.count += 1;
    }

    /// The parameter.
    pub(crate) fn finish(mut self, carrier: &Carrier) -> Parameter {
        let header = [1, i32::from(self.has_null), carrier.parameter.oid() as i32, self.count, 1];
        for (place, number) in self.raw.chunks_exact_mut(4).zip(header) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        Parameter(Some(self.raw))
    }
}

/// Appends a length and a value, as arrays and COPY have them.
pub(crate) fn field(carrier: &Carrier, value: &Value, out: &mut Vec<u8>) -> Result<(), Problem> {
    if value.is_null() {
        out.extend_from_slice(&(-1i32).to_be_bytes());
        return Ok(());
    }
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    if let Err(problem) = carrier.codec.encode(value, out) {
        out.truncate(at);
        return Err(problem);
    }
    let length = i32::try_from(out.len() - at - 4)
        .map_err(|_| Problem::new("write.value_too_long", "a value of more than 2 GB"))?;
    if let Some(place) = out.get_mut(at..at + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

/// Takes binary COPY data apart into rows.
#[derive(Debug, Default)]
pub(crate) struct CopyRows {
    is_begun: bool,
    is_ended: bool,
    rest: BytesMut,
}

impl CopyRows {
    /// Takes the next message, and calls `row` with the fields of each row that is complete.
    pub(crate) fn feed(
        &mut self,
        message: &Bytes,
        mut row: impl FnMut(&[Option<&[u8]>]),
    ) -> Result<(), Refusal> {
        // The server sends a row per message; that is not promised, so the rest is kept.
        if self.rest.is_empty() {
            let used = self.take(message, &mut row)?;
            self.rest.extend_from_slice(message.get(used..).unwrap_or_default());
        } else {
            let mut all = std::mem::take(&mut self.rest);
            all.extend_from_slice(message);
            let used = self.take(&all, &mut row)?;
            self.rest = all.split_off(used);
        }
        Ok(())
    }

    /// Whether the end was marked, and nothing is left over.
    pub(crate) fn is_ended(&self) -> bool {
        self.is_ended && self.rest.is_empty()
    }

    fn take(
        &mut self,
        all: &[u8],
        row: &mut impl FnMut(&[Option<&[u8]>]),
    ) -> Result<usize, Refusal> {
        let mut rest = all;
        if !self.is_begun {
            let mut head = rest;
            let Ok(signature) = head.take::<11>() else { return Ok(0) };
            let (Ok(_flags), Ok(extension)) = (head.i32(), head.i32()) else { return Ok(0) };
            if signature != *SIGNATURE || extension != 0 {
                return Err(Refusal { code: "read.damaged", reason: "this is no binary COPY" });
            }
            rest = head;
            self.is_begun = true;
        }
        let mut fields: Vec<Option<&[u8]>> = Vec::new();
        while !rest.is_empty() {
            let mut next = rest;
            fields.clear();
            let Ok(count) = next.i16() else { break };
            if count < 0 {
                self.is_ended = true;
                rest = next;
                break;
            }
            let mut is_whole = true;
            for _ in 0..count {
                let Ok(length) = next.i32() else {
                    is_whole = false;
                    break;
                };
                let Ok(length) = usize::try_from(length) else {
                    fields.push(None);
                    continue;
                };
                let Some((front, after)) = next.split_at_checked(length) else {
                    is_whole = false;
                    break;
                };
                fields.push(Some(front));
                next = after;
            }
            if !is_whole {
                break;
            }
            row(&fields);
            rest = next;
        }
        Ok(all.len() - rest.len())
    }
}
