//! Whether the overlap of a poll is still what it was.
//!
//! A row of `InnoDB` does not tell by which transaction it was written. But the server can say in one
//! number which rows stand in a stretch of the cursor column: as long as it is the same, nothing was
//! committed there late, and none of the rows has to be read. The number is computed from the index
//! of the cursor column, where there is one.

use syncline_core::value::Value;

use crate::{
    mysql::{connect::Session, failure::Failure, literal::cell_text, sql::Bound},
    sql::poll::Poll,
};

/// Compares the overlap with what it was when the pass before began, and lets the poll begin after
/// it where it is the same. Gives the number for the pass that begins now.
pub(super) async fn look(
    session: &mut Session,
    bound: &Bound,
    poll: &mut Poll,
    max: Option<&Value>,
    now: Option<&Value>,
) -> Result<Option<u64>, Failure> {
    let Some((low, behind)) = poll.overlap() else {
        return fingerprint(session, bound, max, now).await;
    };
    let found = of(session, bound, low, &behind.top).await?;
    let is_same = found == Some(behind.horizon);
    let stays =
        Poll::stretch(max, now).is_some_and(|next| next == (low.clone(), behind.top.clone()));
    if is_same {
        poll.skip_overlap();
    }
    if stays { Ok(found) } else { fingerprint(session, bound, max, now).await }
}

/// What the overlap of the pass after the one that begins now holds.
pub(super) async fn fingerprint(
    session: &mut Session,
    bound: &Bound,
    max: Option<&Value>,
    now: Option<&Value>,
) -> Result<Option<u64>, Failure> {
    match Poll::stretch(max, now) {
        Some((low, top)) => of(session, bound, &low, &top).await,
        None => Ok(None),
    }
}

/// Which rows have a cursor value from `low` to `top`, as one number: how many, and the exclusive or
/// of their digests.
async fn of(
    session: &mut Session,
    bound: &Bound,
    low: &Value,
    top: &Value,
) -> Result<Option<u64>, Failure> {
    let Some(cursor) = bound.shape.cursor else { return Ok(None) };
    let mut sql = b"select count(*), bit_xor(cast(conv(left(md5(concat_ws(char(10)".to_vec();
    for column in std::iter::once(cursor).chain(bound.shape.key.iter().copied()) {
        sql.extend_from_slice(b", cast(");
        bound.name(column, &mut sql);
        sql.extend_from_slice(b" as binary)");
    }
    sql.extend_from_slice(b")), 15), 16, 10) as unsigned)) from ");
    sql.extend_from_slice(format!("{} where ", bound.table).as_bytes());
    bound.name(cursor, &mut sql);
    sql.extend_from_slice(b" >= ");
    bound.operand(cursor, low, &mut sql);
    sql.extend_from_slice(b" and ");
    bound.name(cursor, &mut sql);
    sql.extend_from_slice(b" <= ");
    bound.operand(cursor, top, &mut sql);
    let mut cells = session.rows(&sql).await?.into_iter().flatten().map(cell_text);
    let mut number = || cells.next().flatten().and_then(|text| text.parse::<u64>().ok());
    let (Some(count), Some(digests)) = (number(), number()) else { return Ok(None) };
    Ok(Some((digests ^ count.rotate_left(32)) >> 1))
}
