"""Benchmarks: three arms, interleaved, equal results before a time counts. `python -m tests.bench --help`.

workload.py   what a workload is: sizes, figures, goals.
workloads.py  the table of workloads, and content.py the playbooks that they run.
measure.py    one run of one arm: started below meter.py, its result compared with that of the other arms.
meter.py      a program: CPU, memory and processes of everything below one command.
figures.py    from runs to figures: medians, slopes, ratios, goals reached or not.
report.py     docs/performance.md and, with chart.py, docs/performance.svg from the newest records in results/.
"""
