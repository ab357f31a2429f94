"""How soon people answered and stood at the door: counted, rated, shown. Pure."""

from alerts.reporting.build import Report, build
from alerts.reporting.page import page
from alerts.reporting.period import instants_of
from alerts.reporting.rating import Rating, rate
from alerts.reporting.table import csv_text, rows, write_csv

__all__ = ["Rating", "Report", "build", "csv_text", "instants_of", "page", "rate", "rows", "write_csv"]
