//! How many workers a clone is read by at once: as many as keep its processors busy, and no more, because whoever waits for the
//! database is paid for too.

/// Workers for each of the clone's vCPUs. One worker takes what about one of them sends; the second keeps it busy while the
/// first one's pages come from storage, its parts go to S3, or it begins.
const PER_VCPU: u32 = 2;

/// The vCPUs of the smallest instance, and so of a class whose size isn't known, such as `db.serverless`.
const FEWEST_VCPUS: u32 = 2;

/// Workers for a clone of an instance class.
pub fn of(instance_class: Option<&str>) -> u32 {
    instance_class.and_then(vcpus).unwrap_or(FEWEST_VCPUS).saturating_mul(PER_VCPU)
}

/// vCPUs by the size that a class ends with: `xlarge` has four, `8xlarge` eight times as many.
fn vcpus(instance_class: &str) -> Option<u32> {
    let (_, size) = instance_class.rsplit_once('.')?;
    match size.strip_suffix("xlarge")? {
        "" => Some(4),
        times => times.parse::<u32>().ok()?.checked_mul(4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_grow_with_the_instance() {
        for (class, workers) in [
            ("db.t4g.medium", 4),
            ("db.r6g.large", 4),
            ("db.r6g.xlarge", 8),
            ("db.r8g.2xlarge", 16),
            ("db.x2g.16xlarge", 128),
            ("db.r8g.48xlarge", 384),
            ("db.serverless", 4),
            ("db.r6g.9999999999xlarge", 4),
            ("", 4),
        ] {
            assert_eq!(of(Some(class)), workers, "{class}");
        }
        assert_eq!(of(None), 4);
    }
}
