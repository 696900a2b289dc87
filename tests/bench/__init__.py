"""Benchmarks: three arms, interleaved, equal results before a time counts. `python -m tests.bench --help`."""
