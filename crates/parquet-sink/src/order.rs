//! Declares an order of floating-point columns that every reader knows.
//!
//! The parquet writer declares the IEEE 754 total order for them. Many readers are older than that
//! order, and some refuse a file that names it. So the footer declares the order that the type
//! defines, and the statistics follow that order.

use parquet::data_type::{DataType, DoubleType, FloatType};
use parquet::errors::{ParquetError, Result};
use parquet::file::FOOTER_SIZE;
use parquet::file::statistics::{Statistics, ValueStatistics};

/// `TypeDefinedOrder` as Thrift's compact protocol writes a `ColumnOrder`: the number and type of
/// the field, an empty structure, and the end of the union.
const TYPE_DEFINED: [u8; 3] = [0x1C, 0, 0];
/// `IEEE754TotalOrder` in the same form.
const TOTAL: [u8; 3] = [0x2C, 0, 0];

/// Declares the order that the type defines for all `columns`. The column orders are the last field
/// of the metadata.
///
/// # Errors
/// When the footer does not have the form that this version of parquet writes.
pub(crate) fn declare(footer: &mut [u8], columns: usize) -> Result<()> {
    let end = footer.len().checked_sub(FOOTER_SIZE + 1);
    let start = end.and_then(|end| end.checked_sub(columns * TYPE_DEFINED.len()));
    let orders = start.zip(end).and_then(|(start, end)| footer.get_mut(start..end)).unwrap_or_default();
    for order in orders.chunks_exact_mut(TYPE_DEFINED.len()) {
        if order != TYPE_DEFINED && order != TOTAL {
            return Err(ParquetError::General("the Parquet footer does not end with column orders".to_owned()));
        }
        order.copy_from_slice(&TYPE_DEFINED);
    }
    Ok(())
}

/// Returns the statistics that the type's order allows. A column with a NaN gets no bounds, because
/// NaN has no place in that order. A bound of zero gets the sign that includes the other zero.
pub(crate) fn statistics(statistics: Statistics) -> Statistics {
    match statistics {
        Statistics::Float(values) => Statistics::Float(bounds::<FloatType>(&values, -0.0, 0.0)),
        Statistics::Double(values) => Statistics::Double(bounds::<DoubleType>(&values, -0.0, 0.0)),
        others => others,
    }
}

fn bounds<D: DataType>(values: &ValueStatistics<D::T>, low_zero: D::T, high_zero: D::T) -> ValueStatistics<D::T>
where
    D::T: Copy,
{
    let ordered = values.nan_count_opt().unwrap_or_default() == 0;
    let bound = |bound: Option<&D::T>, zero: D::T| bound.filter(|_| ordered).map(|&b| if b == zero { zero } else { b });
    let (min, max) = (bound(values.min_opt(), low_zero), bound(values.max_opt(), high_zero));
    ValueStatistics::new(min, max, values.distinct_count(), values.null_count_opt(), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_include_both_zeros_and_are_absent_beside_a_nan() {
        let bounds = |min: f64, max: f64, nans| {
            let values = ValueStatistics::new(Some(min), Some(max), None, Some(1), false).with_nan_count(Some(nans));
            let Statistics::Double(values) = statistics(Statistics::Double(values)) else { unreachable!() };
            assert_eq!((values.null_count_opt(), values.nan_count_opt()), (Some(1), None));
            values.min_opt().zip(values.max_opt()).map(|(min, max)| (min.to_bits(), max.to_bits()))
        };
        assert_eq!(bounds(0.0, -0.0, 0), Some(((-0.0_f64).to_bits(), 0.0_f64.to_bits())));
        assert_eq!(bounds(-1.5, f64::INFINITY, 0), Some(((-1.5_f64).to_bits(), f64::INFINITY.to_bits())));
        assert_eq!(bounds(-1.0, 1.0, 1), None);
    }

    #[test]
    fn a_footer_without_orders_is_an_error() {
        assert!(declare(&mut [7; 30], 1).is_err());
    }
}
