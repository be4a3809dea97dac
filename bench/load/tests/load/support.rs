//! Tiny servers, in threads of the test, and the load generator run against them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Serves every connection with `serve`, in a thread of its own, until the test ends. Returns the URL.
pub(crate) fn server(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            thread::spawn(move || serve(stream));
        }
    });
    format!("tcp://{address}")
}

/// Sends back what `change` makes of each message of `size` bytes, until the client is gone.
pub(crate) fn messages(
    size: usize,
    change: impl Fn(u64, Vec<u8>) -> Vec<u8> + Clone + Send + 'static,
) -> String {
    server(move |mut stream| {
        let mut number = 0;
        let mut message = vec![0; size];
        while stream.read_exact(&mut message).is_ok() {
            if stream.write_all(&change(number, message.clone())).is_err() {
                return;
            }
            number += 1;
        }
    })
}

/// Every byte comes back, however many at a time.
pub(crate) fn echo(mut stream: impl Read + Write) {
    let mut bytes = [0; 8192];
    while let Ok(count @ 1..) = stream.read(&mut bytes) {
        if stream.write_all(&bytes[..count]).is_err() {
            return;
        }
    }
}

/// Waits for what must come to be.
pub(crate) fn poll_until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(20), "never: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A process that runs it with `arguments`, separated by blanks.
pub(crate) fn command(target: &str, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_load"));
    command.args(["--target", target]).args(arguments.split_whitespace());
    command
}

/// Runs it to its end.
pub(crate) fn run(target: &str, arguments: &str) -> Output {
    command(target, arguments).output().unwrap()
}

/// The same, where there must be a result.
pub(crate) fn measure(target: &str, arguments: &str) -> Value {
    let output = run(target, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The same, where there must be none: returns what it says, and that it ends with `code`.
pub(crate) fn fail(target: &str, arguments: &str, code: i32) -> String {
    let output = run(target, arguments);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// A count of the result.
pub(crate) fn count(result: &Value, name: &str) -> u64 {
    result[name].as_u64().unwrap_or_else(|| panic!("{name} of {result}"))
}
