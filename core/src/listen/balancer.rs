//! Which loop gets an incoming connection.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use crate::contract::config::Balance;

/// Deals connections to loops. Used by the one thread that accepts for several.
#[derive(Debug)]
pub(crate) struct Balancer {
    balance: Balance,
    next: usize,
    random: u64,
}

impl Balancer {
    /// `seed` is where the random choice begins; any number.
    pub(crate) fn new(balance: Balance, seed: u64) -> Self {
        Balancer { balance, next: 0, random: seed | 1 }
    }

    /// The index of the loop for a connection from `client`, where the loops have `open` connections each.
    pub(crate) fn pick(&mut self, client: Option<IpAddr>, open: &[usize]) -> usize {
        match (self.balance, client) {
            (Balance::LeastConnections, _) => least(open),
            (Balance::Random, _) => (self.random() % open.len() as u64) as usize,
            (Balance::SourceHash, Some(client)) => (hash(client) % open.len() as u64) as usize,
            _ => {
                let picked = self.next % open.len();
                self.next = picked + 1;
                picked
            }
        }
    }

    /// xorshift64* (Vigna 2016, "An experimental exploration of Marsaglia's xorshift generators, scrambled").
    fn random(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32
    }
}

/// The first loop with the fewest connections.
fn least(open: &[usize]) -> usize {
    (0..open.len()).min_by_key(|&index| open[index]).unwrap_or(0)
}

/// The same for the same address in every process of this build.
fn hash(client: IpAddr) -> u64 {
    #[allow(deprecated, reason = "the only hasher of the standard library whose result does not vary")]
    let mut hasher = std::hash::SipHasher::new();
    client.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picks(balance: Balance, client: Option<IpAddr>, open: &[usize], count: usize) -> Vec<usize> {
        let mut balancer = Balancer::new(balance, 7);
        (0..count).map(|_| balancer.pick(client, open)).collect()
    }

    #[test]
    fn round_robin_goes_round() {
        assert_eq!(picks(Balance::RoundRobin, None, &[0; 3], 5), [0, 1, 2, 0, 1]);
        assert_eq!(picks(Balance::ReusePort, None, &[0; 2], 3), [0, 1, 0]);
        assert_eq!(picks(Balance::SourceHash, None, &[0; 2], 3), [0, 1, 0], "without an address");
    }

    #[test]
    fn the_fewest_connections_win() {
        assert_eq!(picks(Balance::LeastConnections, None, &[5, 2, 9, 2], 2), [1, 1]);
    }

    #[test]
    fn random_reaches_every_loop_about_equally() {
        let picked = picks(Balance::Random, None, &[0; 4], 4000);
        for index in 0..4 {
            let count = picked.iter().filter(|&&pick| pick == index).count();
            assert!((800..1200).contains(&count), "loop {index}: {count} of 4000");
        }
    }

    #[test]
    fn a_client_always_meets_the_same_loop_and_clients_are_spread() {
        let pick = |last: u8| picks(Balance::SourceHash, Some([10, 0, 0, last].into()), &[0; 4], 3);
        let all: Vec<Vec<usize>> = (0..=255).map(pick).collect();
        assert!(all.iter().all(|picked| picked[0] == picked[1] && picked[1] == picked[2]));
        for index in 0..4 {
            let count = all.iter().filter(|picked| picked[0] == index).count();
            assert!((32..96).contains(&count), "loop {index}: {count} of 256");
        }
    }
}
