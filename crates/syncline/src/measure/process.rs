//! This process, as the operating system sees it; and which version it is.

use std::fs;

use prometheus_client::{
    metrics::{
        counter::ConstCounter,
        family::Family,
        gauge::{ConstGauge, Gauge},
    },
    registry::Registry,
};

use super::By;

/// The system's clock ticks, in a second; Linux shows this many to programs whatever it uses itself.
const TICKS: f64 = 100.0;

/// Adds them.
pub(super) fn add(registry: &mut Registry) {
    let info: Family<By<2>, Gauge> = Family::default();
    let commit = option_env!("SYNCLINE_COMMIT").unwrap_or("unknown");
    let version =
        [("version", env!("CARGO_PKG_VERSION").to_owned()), ("commit", commit.to_owned())];
    info.get_or_create(&version).set(1);
    registry.register("syncline_build_info", "Which version this is", info);
    let Ok(stat) = fs::read_to_string("/proc/self/stat") else { return };
    // The name of the program stands in parentheses and may hold anything.
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let fields: Vec<u64> =
        after.split_whitespace().map(|field| field.parse().unwrap_or_default()).collect();
    let field = |at: usize| fields.get(at).copied().unwrap_or_default();
    let cpu = (field(11) + field(12)) as f64 / TICKS;
    registry.register("process_cpu_seconds", "Time spent computing", ConstCounter::new(cpu));
    let gauge = |registry: &mut Registry, name: &str, help: &str, value: f64| {
        registry.register(name, help, ConstGauge::new(value));
    };
    if let Some(booted) = booted() {
        let started = booted + field(19) as f64 / TICKS;
        gauge(registry, "process_start_time_seconds", "When this process began", started);
    }
    gauge(registry, "process_virtual_memory_bytes", "Memory that is reserved", field(20) as f64);
    if let Some(resident) = resident() {
        gauge(registry, "process_resident_memory_bytes", "Memory that is used", resident as f64);
    }
    let open = fs::read_dir("/proc/self/fd").map(Iterator::count).unwrap_or_default();
    gauge(registry, "process_open_fds", "Files and connections that are open", open as f64);
}

/// When the machine was started, in seconds.
fn booted() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

/// In bytes.
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes * 1_024)
}
