//! Measures the time and memory of planning. It does what the plan-export function does, except
//! that it does not write to the work bucket.
//!
//! `plan HOST PORT USER` plans an export of a PostgreSQL server that accepts the user without a
//! password. These statements create many tables:
//!
//! ```sql
//! DO $$ BEGIN FOR i IN 1..50000 LOOP
//!     EXECUTE format('CREATE TABLE customer_%s (id bigint PRIMARY KEY, tenant int NOT NULL,
//!         name varchar(200), email text, balance numeric(12,2), created timestamptz,
//!         updated timestamptz, active boolean, tags text[], data jsonb)', i);
//!     EXECUTE format('INSERT INTO customer_%s
//!         SELECT g, 1, ''name'', ''mail'' FROM generate_series(1, 10) g', i);
//!     IF i % 500 = 0 THEN COMMIT; END IF;  -- each new table holds a lock
//! END LOOP; END $$
//! ```

use std::error::Error;
use std::time::Instant;

use cluster_source::{Endpoint, Source};
use export_planner::Survey;
use export_task::engine::Engine;
use export_task::export_only::ExportOnly;
use export_task::options::Options;
use export_task::plan::lines;

/// The default of `TargetPartitionMb` in the template.
const SMALLEST_UNIT: u64 = 64 << 20;
/// The default of `MaxWorkers` in the template.
const WORKERS: u32 = 200;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [host, port, user] = &arguments[..] else { return Err("plan HOST PORT USER".into()) };
    let (host, port, user) = (host.clone(), port.parse()?, user.clone());
    let source = Source::new(Engine::Postgresql, Endpoint { host, port, user, password: String::new() }, None);
    let began = Instant::now();
    let survey = Survey::take(&source, &ExportOnly::default(), &Options::default(), SMALLEST_UNIT, WORKERS).await?;
    let surveyed = began.elapsed();
    let summary = serde_json::to_vec(&survey.summary())?;
    let (units, items) = lines("attempt", survey.work_units())?;
    println!("tables                  {}", survey.tables.len());
    println!("units                   {}", items.len());
    println!("catalog and partitions  {:.1} s", surveyed.as_secs_f64());
    println!("documents               {:.1} s", (began.elapsed() - surveyed).as_secs_f64());
    println!("plan.json, units.jsonl  {} MiB, {} MiB", summary.len() >> 20, units.len() >> 20);
    println!("peak memory             {} MiB", peak_kib()? >> 10);
    Ok(())
}

/// Returns the peak resident size of this process.
fn peak_kib() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
    peak.ok_or_else(|| "/proc/self/status has no VmHWM".into())
}
