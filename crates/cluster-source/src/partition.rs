//! Packing partitions into work units, the same for every engine.

use export_task::plan::Partition;

/// What a partition costs beyond its bytes (a query, at least one file, a result), expressed in bytes. Keeps a unit from
/// collecting thousands of empty tables.
const OVERHEAD: u64 = 1024 * 1024;

fn cost(partition: &Partition) -> u64 {
    partition.bytes.saturating_add(OVERHEAD)
}

/// Packs partitions into units of about `target_bytes`, largest unit first, so that the last units to finish are small.
/// Neighbours stay together (the order within a unit is that of `partitions`): a unit then names few tables and its worker
/// connects to few databases. A unit passes one and a half times the target only when it is a single partition.
pub fn pack(partitions: Vec<Partition>, target_bytes: u64) -> Vec<Vec<Partition>> {
    let mut units: Vec<(u64, Vec<Partition>)> = Vec::new();
    let mut open: (u64, Vec<Partition>) = (0, Vec::new());
    for partition in partitions {
        let more = cost(&partition);
        if more >= target_bytes {
            units.push((more, vec![partition]));
            continue;
        }
        let sum = open.0.saturating_add(more);
        let better_without = sum > target_bytes && sum - target_bytes > target_bytes.saturating_sub(open.0);
        if better_without {
            units.push(std::mem::take(&mut open));
        }
        open.0 += more;
        open.1.push(partition);
    }
    if !open.1.is_empty() {
        units.push(open);
    }
    units.sort_by_key(|unit| std::cmp::Reverse(unit.0));
    units.into_iter().map(|unit| unit.1).collect()
}

#[cfg(test)]
mod tests {
    use export_task::plan::{Range, Relation};
    use proptest::prelude::*;

    use super::*;

    fn partition(table: u32, bytes: u64) -> Partition {
        let relation = Relation { schema: "s".to_owned(), name: format!("t{table}") };
        Partition { table, relation, batch: 1, index: 0, range: Range::All, bytes }
    }

    fn total(unit: &[Partition]) -> u64 {
        unit.iter().map(cost).sum()
    }

    #[test]
    fn many_empty_tables_share_units_and_a_large_table_stands_alone() {
        let mut partitions: Vec<_> = (0..50_000).map(|t| partition(t, 0)).collect();
        partitions.push(partition(50_000, 100 << 20));
        let units = pack(partitions, 64 << 20);
        assert_eq!(units.len(), 50_000_usize.div_ceil(64) + 1);
        assert_eq!(units[0].len(), 1);
        assert_eq!(units[0][0].table, 50_000);
    }

    #[test]
    fn nothing_makes_no_unit() {
        assert!(pack(Vec::new(), 1).is_empty());
    }

    proptest! {
        #[test]
        fn every_partition_is_in_one_unit_and_units_are_about_equal(
            sizes in prop::collection::vec(prop_oneof![0..5_000_u64, 0..200_000_000_u64, any::<u64>()], 0..400),
            target in prop_oneof![Just(0_u64), 1..200_000_000_u64],
        ) {
            let count = u32::try_from(sizes.len()).unwrap();
            let partitions: Vec<_> = sizes.iter().zip(0..).map(|(bytes, t)| partition(t, *bytes)).collect();
            let units = pack(partitions, target);

            let mut tables: Vec<u32> = units.iter().flatten().map(|p| p.table).collect();
            tables.sort_unstable();
            prop_assert_eq!(tables, (0..count).collect::<Vec<_>>());
            for unit in &units {
                prop_assert!(!unit.is_empty());
                prop_assert!(unit.len() == 1 || total(unit) <= target + target / 2 + 1);
                prop_assert!(unit.windows(2).all(|pair| pair[0].table < pair[1].table));
            }
            prop_assert!(units.windows(2).all(|pair| total(&pair[0]) >= total(&pair[1])));
            // Only the last open unit may be less than half full.
            let small = units.iter().filter(|unit| total(unit) < target / 2).count();
            prop_assert!(small <= 1);
        }
    }
}
