"""Vital signs of people: NEWS2, what is usual for each, what is no measurement, and when somebody has to look."""
