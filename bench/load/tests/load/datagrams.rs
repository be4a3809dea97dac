//! Datagrams.

use std::collections::HashMap;
use std::net::UdpSocket;
use std::thread;

use crate::support::{count, fail, measure};

/// Answers datagram number n of each sender with what `answer` makes of it.
fn server(answer: impl Fn(u64, &[u8]) -> Vec<Vec<u8>> + Send + 'static) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut numbers: HashMap<_, u64> = HashMap::new();
        let mut bytes = [0; 65_536];
        while let Ok((count, sender)) = socket.recv_from(&mut bytes) {
            let number = numbers.entry(sender).or_default();
            for answer in answer(*number, &bytes[..count]) {
                // The client may have gone.
                let _ = socket.send_to(&answer, sender);
            }
            *number += 1;
        }
    });
    format!("udp://{address}")
}

#[test]
fn exactly_as_many_requests_as_wanted() {
    let target = server(|_, bytes| vec![bytes.to_vec()]);
    for arguments in
        ["--connections 3 --depth 4 --size 200", "--mode open --rate 5000 --connections 3 --size 200"]
    {
        let result = measure(&target, &format!("{arguments} --requests 1000"));
        assert_eq!(
            (count(&result, "requests"), count(&result, "wrong"), count(&result, "lost")),
            (1000, 0, 0)
        );
        assert_eq!(count(&result, "bytes"), 200_000);
    }
}

#[test]
fn what_is_lost_is_counted_and_replaced() {
    let target = server(|number, bytes| if number % 20 == 19 { vec![] } else { vec![bytes.to_vec()] });
    let result = measure(&target, "--connections 1 --depth 16 --requests 100");
    assert_eq!((count(&result, "requests"), count(&result, "wrong")), (100, 0));
    assert_eq!(count(&result, "lost"), 5, "of 105 every twentieth");
}

#[test]
fn wrong_content_length_and_duplicates() {
    let target = server(|number, bytes| {
        let mut answer = bytes.to_vec();
        match number {
            3 => answer[30] ^= 1,
            5 => answer.truncate(63),
            7 => answer.push(0),
            9 => return vec![bytes.to_vec(), bytes.to_vec()],
            _ => {}
        }
        vec![answer]
    });
    let result = measure(&target, "--connections 1 --depth 1 --requests 20");
    assert_eq!((count(&result, "requests"), count(&result, "wrong")), (20, 4));
    assert_eq!(count(&result, "lost"), 3, "those that had a wrong answer only");
}

#[test]
fn nobody_there() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let target = format!("udp://{}", socket.local_addr().unwrap());
    assert!(fail(&target, "--requests 10 --timeout 0.5", 1).contains("no answer for 0.5 s"));
    drop(socket);
    assert!(fail(&target, "--requests 10", 1).contains("cannot be reached"));
}
