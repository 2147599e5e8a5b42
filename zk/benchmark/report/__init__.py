"""The benchmark's analysis: from measured rows to a page, tables for a paper and plots."""

from zk.benchmark.report.data import Benchmark, load_benchmark
from zk.benchmark.report.page import write_report

__all__ = ["Benchmark", "load_benchmark", "write_report"]
