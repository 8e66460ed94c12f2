//! Customers who keep buying and paying while the export runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use export_task::engine::Engine;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::Result;
use super::client::Client;
use super::shop::DATABASE;

/// Often enough that no inconsistent copy would go unnoticed, seldom enough to leave the export some of a small machine.
const PAUSE: Duration = Duration::from_millis(4);

/// Changes the shop until it is stopped or dropped.
pub struct Writer {
    transfers: Arc<AtomicU64>,
    orders: Arc<AtomicU64>,
    task: JoinHandle<Result<()>>,
}

impl Writer {
    /// Starts transfers and orders.
    pub async fn start(engine: Engine, port: u16) -> Result<Self> {
        let client = Client::connect(engine, port, DATABASE).await?;
        let (transfers, orders) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let task = tokio::spawn(write(engine, client, Arc::clone(&transfers), Arc::clone(&orders)));
        Ok(Self { transfers, orders, task })
    }

    /// Transfers committed so far.
    pub fn transfers(&self) -> u64 {
        self.transfers.load(Ordering::Relaxed)
    }

    /// Orders committed so far.
    pub fn orders(&self) -> u64 {
        self.orders.load(Ordering::Relaxed)
    }

    /// Ends it, with the error that ended it before, if any.
    pub async fn stop(mut self) -> Result<()> {
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
    // Primes spread the accounts, customers and products; the same ones every time.
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
