//! The number of workers for a clone: as many as keep its processors busy, and no more, because a
//! worker that waits for the database costs money too.

/// Workers for each vCPU of the clone. One worker reads about as much as one vCPU sends. The second
/// worker keeps the vCPU busy while the first one starts, waits for pages from storage or uploads
/// parts to S3.
const WORKERS_PER_VCPU: u32 = 2;

/// The vCPUs of the smallest instance. They are assumed for a class of unknown size, such as
/// `db.serverless`.
const MIN_VCPUS: u32 = 2;

/// Returns the number of workers for a clone of an instance class.
pub fn for_instance(instance_class: Option<&str>) -> u32 {
    instance_class.and_then(vcpus).unwrap_or(MIN_VCPUS).saturating_mul(WORKERS_PER_VCPU)
}

/// Returns the vCPUs of a class by its size, the last part of its name: `xlarge` has four,
/// `8xlarge` eight times as many.
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
            assert_eq!(for_instance(Some(class)), workers, "{class}");
        }
        assert_eq!(for_instance(None), 4);
    }
}
