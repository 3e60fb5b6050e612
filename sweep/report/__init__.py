"""The report of a sweep: one page, its figures and tables, and their data. A pure function of the sweep's results."""

from sweep.report.write import ReportFiles, write_report

__all__ = ["ReportFiles", "write_report"]
