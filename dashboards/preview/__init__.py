"""A dashboard on paper: its own JSON and statements, drawn with matplotlib. No Grafana is needed."""

from __future__ import annotations

from dashboards.preview.answers import Answer, Ask
from dashboards.preview.choosing import choose
from dashboards.preview.sheet import has_chinese_font, sheet

__all__ = ["Answer", "Ask", "choose", "has_chinese_font", "sheet"]
