//! Figures of measured programs (see ../README.md) that are written in Rust.

use std::fs;
use std::time::Duration;

pub fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("'{text}' is not a number"))
}

pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// By nearest rank; null where nothing was measured.
pub fn percentile(latencies: &mut [Duration], share: f64) -> Option<f64> {
    latencies.sort_unstable();
    let rank = (latencies.len() as f64 * share).ceil() as usize;
    latencies.get(rank.saturating_sub(1)).map(|&l| milliseconds(l))
}

/// Megabytes by /proc/self/status; 0 where there is none.
pub fn status(field: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<f64>().ok()).map_or(0.0, |kb| kb / 1024.0)
}
