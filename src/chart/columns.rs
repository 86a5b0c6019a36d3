//! Counting what the columns of a change would unpack to, before anything unpacks them.
//!
//! The operations of a change are stored by column, and columns are run-length encoded: ten bytes can
//! announce 2⁶⁰ rows, and one row of the predecessor column 2⁶⁰ predecessors. Automerge believes them
//! and allocates. This file walks the runs and adds up, without allocating anything.
//!
//! ```text
//! run-length column:  (n > 0, value) = n equal values   (n < 0, -n values)   (0, n) = n nulls
//! boolean column:     n falses, n trues, n falses, …
//! ```
//!
//! `n` is signed LEB128 in the first form, unsigned where it counts nulls or booleans.

use super::chunk::ChunkError;
use super::limits::{KEY_BYTES_MAX, OPS_PER_CHANGE_MAX, PREDS_PER_CHANGE_MAX};
use super::mark::MarkKind;

/// Reads little-endian base-128 numbers and byte strings off a slice.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Says whether every byte was read.
    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Returns what was not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Takes exactly `count` bytes.
    pub(super) fn take(&mut self, count: u64) -> Result<&'a [u8], ChunkError> {
        let count = usize::try_from(count).map_err(|_| ChunkError::Truncated)?;
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(ChunkError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Takes one unsigned number of at most 64 bits.
    pub(super) fn unsigned(&mut self) -> Result<u64, ChunkError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(ChunkError::NumberTooLong);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(ChunkError::NumberTooLong)
    }

    /// Takes one signed number of at most 64 bits.
    pub(super) fn signed(&mut self) -> Result<i64, ChunkError> {
        let mut value = 0_i64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            let bits = i64::from(byte & 0x7f);
            if shift == 63 && bits != 0 && bits != 0x7f {
                return Err(ChunkError::NumberTooLong);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                let negative = shift < 57 && byte & 0x40 != 0;
                return Ok(if negative { value | (-1_i64 << (shift + 7)) } else { value });
            }
        }
        Err(ChunkError::NumberTooLong)
    }
}

/// The columns that a chart's changes have, by their specification `id << 4 | type`.
///
/// A change with any other column is refused: whether marks expand (`0x94`, which only marks that expand have; ours
/// never do), packed columns (bit 3) and columns that a later version might bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    /// Run-length coded numbers, one a row: object, key, action and value sizes.
    Numbers,
    /// Run-length coded keys of maps, one a row.
    Keys,
    /// Run-length coded names of marks, one a row that begins a mark; null elsewhere.
    MarkNames,
    /// Whether the row inserts.
    Booleans,
    /// The bytes of the values.
    Values,
    /// How many predecessors each row has.
    PredCounts,
    /// The predecessors themselves.
    Preds,
}

/// The specification of the column that every operation has exactly once.
const ACTION: u64 = 0x42;

impl Column {
    fn of(specification: u64) -> Option<Self> {
        match specification {
            0x01 | 0x02 | 0x11 | 0x13 | ACTION | 0x56 => Some(Self::Numbers),
            0x15 => Some(Self::Keys),
            0x34 => Some(Self::Booleans),
            0x57 => Some(Self::Values),
            0x70 => Some(Self::PredCounts),
            0x71 | 0x73 => Some(Self::Preds),
            0xa5 => Some(Self::MarkNames),
            _ => None,
        }
    }
}

/// Counts the operations that the columns at `reader` announce, and refuses what exceeds the limits.
///
/// Reads the column directory and the columns, and leaves `reader` behind them.
///
/// # Errors
///
/// When a column is unknown, out of order or cut short, or rows or predecessors exceed their limits.
pub(super) fn count_operations(reader: &mut Reader<'_>) -> Result<u64, ChunkError> {
    let columns = reader.unsigned()?;
    if columns > COLUMNS_MAX {
        return Err(ChunkError::UnknownColumn);
    }
    let mut directory = Vec::new();
    let mut previous = None;
    for _ in 0..columns {
        let (specification, bytes) = (reader.unsigned()?, reader.unsigned()?);
        if previous.is_some_and(|p| p >= specification) {
            return Err(ChunkError::ColumnsOutOfOrder);
        }
        previous = Some(specification);
        let column = Column::of(specification).ok_or(ChunkError::UnknownColumn)?;
        directory.push((specification, column, bytes));
    }
    let mut operations = 0;
    for (specification, column, bytes) in directory {
        let data = Reader::new(reader.take(bytes)?);
        match column {
            Column::Numbers => {
                let rows = run_lengths(data, OPS_PER_CHANGE_MAX, skip_number)?;
                if specification == ACTION {
                    operations = rows;
                }
            }
            Column::Keys => {
                run_lengths(data, OPS_PER_CHANGE_MAX, skip_key)?;
            }
            Column::MarkNames => {
                run_lengths(data, OPS_PER_CHANGE_MAX, skip_mark_name)?;
            }
            Column::Booleans => booleans(data)?,
            Column::Values => {}
            Column::PredCounts => predecessor_counts(data)?,
            Column::Preds => {
                run_lengths(data, PREDS_PER_CHANGE_MAX, skip_number)?;
            }
        }
    }
    Ok(operations)
}

/// The number of known columns.
const COLUMNS_MAX: u64 = 13;

fn skip_number(reader: &mut Reader<'_>, _repeats: u64) -> Result<(), ChunkError> {
    // Signed and unsigned numbers end at the same byte; only the bound of 64 bits differs, and the
    // decoder of the library checks that again.
    while reader.take(1)?[0] & 0x80 != 0 {}
    Ok(())
}

fn skip_key(reader: &mut Reader<'_>, _repeats: u64) -> Result<(), ChunkError> {
    let bytes = reader.unsigned()?;
    if bytes > KEY_BYTES_MAX {
        return Err(ChunkError::KeyTooLong);
    }
    reader.take(bytes)?;
    Ok(())
}

fn skip_mark_name(reader: &mut Reader<'_>, _repeats: u64) -> Result<(), ChunkError> {
    let bytes = reader.unsigned()?;
    let name = std::str::from_utf8(reader.take(bytes)?).ok();
    name.and_then(MarkKind::from_name).map(|_| ()).ok_or(ChunkError::UnknownMark)
}

fn run_lengths(
    mut reader: Reader<'_>,
    rows_max: u64,
    mut value: impl FnMut(&mut Reader<'_>, u64) -> Result<(), ChunkError>,
) -> Result<u64, ChunkError> {
    let mut rows = 0_u64;
    while !reader.is_at_end() {
        let run = reader.signed()?;
        let count = if run == 0 { reader.unsigned()? } else { run.unsigned_abs() };
        rows = rows.saturating_add(count);
        if rows > rows_max {
            return Err(ChunkError::TooManyOperations);
        }
        if run > 0 {
            value(&mut reader, count)?;
        } else if run < 0 {
            for _ in 0..count {
                value(&mut reader, 1)?;
            }
        }
    }
    Ok(rows)
}

fn predecessor_counts(reader: Reader<'_>) -> Result<(), ChunkError> {
    let mut total = 0_u64;
    run_lengths(reader, OPS_PER_CHANGE_MAX, |reader, repeats| {
        total = total.saturating_add(reader.unsigned()?.saturating_mul(repeats));
        if total > PREDS_PER_CHANGE_MAX { Err(ChunkError::TooManyOperations) } else { Ok(()) }
    })?;
    Ok(())
}

fn booleans(mut reader: Reader<'_>) -> Result<(), ChunkError> {
    let mut rows = 0_u64;
    while !reader.is_at_end() {
        rows = rows.saturating_add(reader.unsigned()?);
        if rows > OPS_PER_CHANGE_MAX {
            return Err(ChunkError::TooManyOperations);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn columns(parts: &[(u8, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![parts.len() as u8];
        for (specification, data) in parts {
            // Specifications from 0x80 on need two bytes.
            if *specification >= 0x80 {
                bytes.extend([*specification, 0x01]);
            } else {
                bytes.push(*specification);
            }
            bytes.push(data.len() as u8);
        }
        for (_, data) in parts {
            bytes.extend(*data);
        }
        bytes
    }

    fn count(parts: &[(u8, &[u8])]) -> Result<u64, ChunkError> {
        count_operations(&mut Reader::new(&columns(parts)))
    }

    #[test]
    fn rows_of_the_action_column_are_counted() {
        // Five times action 1, then the literals 4 and 3, then two nulls.
        assert_eq!(count(&[(0x42, &[5, 1, 0x7e, 4, 3, 0, 2])]), Ok(9));
    }

    #[test]
    fn ten_bytes_that_announce_endless_rows_are_refused() {
        let endless = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f, 1];
        assert_eq!(count(&[(0x42, &endless)]), Err(ChunkError::TooManyOperations));
        assert_eq!(count(&[(0x34, &endless[..8])]), Err(ChunkError::TooManyOperations));
        assert_eq!(count(&[(0x15, &[0, 0xff, 0xff, 0x7f])]), Err(ChunkError::TooManyOperations));
    }

    #[test]
    fn one_row_that_announces_endless_predecessors_is_refused() {
        assert_eq!(count(&[(0x70, &[1, 0xff, 0xff, 0xff, 0x7f])]), Err(ChunkError::TooManyOperations));
    }

    #[test]
    fn only_our_two_marks_are_named_and_no_name_is_long() {
        assert_eq!(count(&[(0xa5, b"\x02\x06struck")]), Ok(0));
        assert_eq!(count(&[(0xa5, b"\x7e\x09important\x06struck")]), Ok(0));
        assert_eq!(count(&[(0xa5, b"\x02\x04bold")]), Err(ChunkError::UnknownMark));
        assert_eq!(count(&[(0xa5, b"\x02\x06struc")]), Err(ChunkError::Truncated));
        assert_eq!(count(&[(0xa5, &[0, 0xff, 0xff, 0x7f])]), Err(ChunkError::TooManyOperations));
        // One key of a hundred thousand bytes in a run of thousands would be unpacked to gigabytes.
        assert_eq!(count(&[(0x15, &[0xff, 0x3f, 0xff, 0x7f, 0x61])]), Err(ChunkError::KeyTooLong));
    }

    #[test]
    fn expanding_marks_packed_columns_and_repeated_columns_are_refused() {
        assert_eq!(count(&[(0x94, &[1])]), Err(ChunkError::UnknownColumn));
        assert_eq!(count(&[(0x4a, &[1, 1])]), Err(ChunkError::UnknownColumn));
        assert_eq!(count(&[(0x42, &[1, 1]), (0x42, &[1, 1])]), Err(ChunkError::ColumnsOutOfOrder));
    }

    proptest! {
        #[test]
        fn arbitrary_columns_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = count_operations(&mut Reader::new(&bytes));
        }

        #[test]
        fn signed_numbers_read_as_they_were_written(value in any::<i64>()) {
            let mut bytes = Vec::new();
            let mut rest = value;
            loop {
                let byte = (rest & 0x7f) as u8;
                rest >>= 7;
                let done = (rest == 0 && byte & 0x40 == 0) || (rest == -1 && byte & 0x40 != 0);
                bytes.push(if done { byte } else { byte | 0x80 });
                if done { break; }
            }
            prop_assert_eq!(Reader::new(&bytes).signed(), Ok(value));
        }
    }
}
