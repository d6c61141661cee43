"""Other chains, run beside ours by `tests.bench.bench_peers`.

`environment` gets them; `neo_go` and `anvil` each run one as a program of its own, by the interpreter of that
environment, and print one JSON line. They and `driving` import nothing of this repository's packages.
"""
