//! Changes the sample databases during the export: orders, and transfers between accounts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use export_task::engine::Engine;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::Result;
use super::client::Client;
use super::shop::DATABASE;

/// The pause between changes. It is short enough to reveal an inconsistent copy, and long enough to
/// leave the export enough of a small machine.
const PAUSE: Duration = Duration::from_millis(4);

/// A background task that changes the databases until this is stopped or dropped.
pub(super) struct Writer {
    transfers: Arc<AtomicU64>,
    orders: Arc<AtomicU64>,
    task: JoinHandle<Result<()>>,
}

impl Writer {
    /// Starts the changes.
    pub(super) async fn start(engine: Engine, port: u16) -> Result<Self> {
        let client = Client::connect(engine, port, DATABASE).await?;
        let (transfers, orders) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let task = tokio::spawn(write(engine, client, Arc::clone(&transfers), Arc::clone(&orders)));
        Ok(Self { transfers, orders, task })
    }

    /// Returns the number of transfers committed so far.
    pub(super) fn transfers(&self) -> u64 {
        self.transfers.load(Ordering::Relaxed)
    }

    /// Returns the number of orders committed so far.
    pub(super) fn orders(&self) -> u64 {
        self.orders.load(Ordering::Relaxed)
    }

    /// Stops the changes. Returns the error if an error has already stopped them.
    pub(super) async fn stop(mut self) -> Result<()> {
        if self.task.is_finished() {
            return (&mut self.task).await?;
        }
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn write(engine: Engine, mut client: Client, transfers: Arc<AtomicU64>, orders: Arc<AtomicU64>) -> Result<()> {
    let call = match engine {
        Engine::Postgresql => "SELECT",
        Engine::Mysql => "CALL",
    };
    let mut tick = interval(PAUSE);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Multiples of primes spread the changes over accounts, customers and products, and are the
    // same in every run.
    for n in (0_i32..100_000).cycle() {
        tick.tick().await;
        let (sender, receiver, cents) = (n * 7919 % 10_000 + 1, (n * 10_007 + 1) % 10_000 + 1, n % 5000 + 1);
        client.run(&format!("{call} bank.transfer({sender}, {receiver}, {cents} / 100.0);")).await?;
        transfers.fetch_add(1, Ordering::Relaxed);
        if n % 10 == 0 {
            let (customer, product) = (n % 50_000 + 1, n % 20_000 + 1);
            client.run(&format!("{call} sales.place_order({customer}, {product});")).await?;
            orders.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}
