//! Exact numbers on the wire: PostgreSQL's base-10000 digits, straight to [`Decimal`] and back,
//! without a text in between.

use syncline_core::decimal::Decimal;

use crate::postgres::value::{Refusal, Wire};

const NEGATIVE: u16 = 0x4000;
const SPECIAL: u16 = 0xc000;
const DIGITS_MAX: u32 = 38;

/// Reads a `numeric`.
///
/// # Errors
/// NaN, the infinities, and what needs more than 38 digits.
pub(crate) fn decode(mut raw: &[u8]) -> Result<Decimal, Refusal> {
    let wire = &mut raw;
    let count = wire.u16()?;
    let weight = wire.i16()?;
    let sign = wire.u16()?;
    wire.u16()?;
    if sign & SPECIAL == SPECIAL {
        return Err(Refusal::range("NaN and Infinity are no numbers here"));
    }
    let too_long = || Refusal::range("more than 38 digits");
    let mut coefficient = 0u128;
    let mut exponent = 4 * (i32::from(weight) + 1);
    for index in 0..count {
        let mut digit = wire.u16()?;
        let mut scale = 4;
        if index + 1 == count {
            // Trailing zeros of the last group would not fit beside 38 digits.
            while digit != 0 && digit.is_multiple_of(10) {
                digit /= 10;
                scale -= 1;
            }
        }
        let unit = 10u128.pow(scale);
        coefficient = match u64::try_from(coefficient) {
            Ok(small) if small < 1_000_000_000_000_000 => {
                u128::from(small * unit as u64 + u64::from(digit))
            }
            _ => coefficient
                .checked_mul(unit)
                .and_then(|wide| wide.checked_add(u128::from(digit)))
                .ok_or_else(too_long)?,
        };
        exponent -= scale as i32;
    }
    let coefficient = i128::try_from(coefficient).map_err(|_| too_long())?;
    let number = Decimal::new(if sign == NEGATIVE { -coefficient } else { coefficient }, exponent);
    if number.digits() > DIGITS_MAX { Err(too_long()) } else { Ok(number) }
}

/// Appends a `numeric`; `None` if PostgreSQL cannot hold so many places.
pub(crate) fn encode(number: Decimal, out: &mut Vec<u8>) -> Option<()> {
    let mut rest = number.coefficient().unsigned_abs();
    let exponent = number.exponent();
    let scale = u16::try_from(number.scale()).ok().filter(|scale| *scale <= 16_383)?;
    // The groups of four start at a multiple of four: the lowest holds fewer of our digits.
    let inside = exponent.rem_euclid(4) as u32;
    let mut groups: Vec<u16> = Vec::with_capacity(11);
    if rest != 0 {
        let unit = 10u128.pow(4 - inside);
        groups.push((rest % unit) as u16 * 10u16.pow(inside));
        rest /= unit;
    }
    while rest != 0 {
        groups.push((rest % 10_000) as u16);
        rest /= 10_000;
    }
    let weight = exponent.div_euclid(4).checked_add(i32::try_from(groups.len()).ok()?)? - 1;
    let weight = if groups.is_empty() { 0 } else { i16::try_from(weight).ok()? };
    out.extend_from_slice(&(groups.len() as u16).to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&(if number.is_negative() { NEGATIVE } else { 0 }).to_be_bytes());
    out.extend_from_slice(&scale.to_be_bytes());
    for group in groups.iter().rev() {
        out.extend_from_slice(&group.to_be_bytes());
    }
    Some(())
}
