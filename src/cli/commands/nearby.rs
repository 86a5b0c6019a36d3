//! Who was found on the local network, as `musubi status` tells it.

use crate::replica::sync_answer::{FoundStatus, NearbyStatus};

/// Of more replicas on the local network only the number is told.
const FOUND_TOLD_MAX: usize = 8;

/// Names whom there is a session with, and the others by their addresses.
pub(super) fn found(nearby: &NearbyStatus) -> String {
    if let Some(error) = &nearby.error {
        return format!("nobody can be looked for: {error}");
    }
    let told = |found: &FoundStatus| {
        let addresses: Vec<String> = found.addresses.iter().map(ToString::to_string).collect();
        let addresses = addresses.join(" or ");
        found.device.as_ref().map_or(addresses.clone(), |device| format!("{device} ({addresses})"))
    };
    let mut named: Vec<String> = nearby.found.iter().take(FOUND_TOLD_MAX).map(told).collect();
    match nearby.found.len() {
        0 => named.push("nobody yet".to_owned()),
        all if all > FOUND_TOLD_MAX => named.push(format!("and {} more", all - FOUND_TOLD_MAX)),
        _ => {}
    }
    named.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_found_on_the_network_are_named_when_they_are_met() {
        let replica = |host: usize| FoundStatus {
            addresses: vec![format!("192.0.2.{host}:7440").parse().unwrap()],
            device: (host == 1).then(|| "tablet-1".to_owned()),
        };
        let told = |replicas: usize, error: Option<&str>| {
            let found = (1..=replicas).map(replica).collect();
            super::found(&NearbyStatus { found, error: error.map(str::to_owned) })
        };
        assert_eq!(told(2, None), "tablet-1 (192.0.2.1:7440), 192.0.2.2:7440");
        let many = told(10, None);
        assert!(many.ends_with(", 192.0.2.8:7440, and 2 more"), "{many}");
        assert_eq!(told(0, None), "nobody yet");
        assert_eq!(told(0, Some("in use")), "nobody can be looked for: in use");
    }
}
