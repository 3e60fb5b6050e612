"""The report of a sweep: one HTML page, its figures and tables, and their data. A pure function of its results."""

from sweep.report.write import ReportFiles, write_report

__all__ = ["ReportFiles", "write_report"]
