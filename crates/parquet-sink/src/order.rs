//! Floating-point columns as every reader knows them.
//!
//! parquet's writer declares the IEEE 754 total order for them. That order is newer than many readers, some of which refuse a
//! file that names it. So the footer says that their order is that of the type, and their statistics are what that asks for.

use parquet::data_type::{DataType, DoubleType, FloatType};
use parquet::errors::{ParquetError, Result};
use parquet::file::FOOTER_SIZE;
use parquet::file::statistics::{Statistics, ValueStatistics};

/// `TypeDefinedOrder` and `IEEE754TotalOrder` as the compact protocol writes a `ColumnOrder`: the field's number and type, an
/// empty structure, the end of the union.
const TYPE_DEFINED: [u8; 3] = [0x1C, 0, 0];
const TOTAL: [u8; 3] = [0x2C, 0, 0];

/// Makes the order of all `columns` that of the type. They are the last field of the metadata.
///
/// # Errors
/// When a footer is not as this version of parquet writes it.
pub(crate) fn declare(footer: &mut [u8], columns: usize) -> Result<()> {
    let end = footer.len().checked_sub(FOOTER_SIZE + 1);
    let start = end.and_then(|end| end.checked_sub(columns * TYPE_DEFINED.len()));
    let orders = start.zip(end).and_then(|(start, end)| footer.get_mut(start..end)).unwrap_or_default();
    for order in orders.chunks_exact_mut(TYPE_DEFINED.len()) {
        if order != TYPE_DEFINED && order != TOTAL {
            return Err(ParquetError::General("a footer whose column orders are elsewhere".to_owned()));
        }
        order.copy_from_slice(&TYPE_DEFINED);
    }
    Ok(())
}

/// What the order of the type allows to be said: nothing of a column with a NaN, which has no place in it, and zeros of the
/// sign that includes the other.
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
    fn bounds_include_both_zeros_and_say_nothing_beside_a_nan() {
        let of = |min: f64, max: f64, nans| {
            let values = ValueStatistics::new(Some(min), Some(max), None, Some(1), false).with_nan_count(Some(nans));
            let Statistics::Double(values) = statistics(Statistics::Double(values)) else { unreachable!() };
            assert_eq!((values.null_count_opt(), values.nan_count_opt()), (Some(1), None));
            values.min_opt().zip(values.max_opt()).map(|(min, max)| (min.to_bits(), max.to_bits()))
        };
        assert_eq!(of(0.0, -0.0, 0), Some(((-0.0_f64).to_bits(), 0.0_f64.to_bits())));
        assert_eq!(of(-1.5, f64::INFINITY, 0), Some(((-1.5_f64).to_bits(), f64::INFINITY.to_bits())));
        assert_eq!(of(-1.0, 1.0, 1), None);
    }

    #[test]
    fn what_is_no_list_of_orders_stays() {
        assert!(declare(&mut [7; 30], 1).is_err());
    }
}
