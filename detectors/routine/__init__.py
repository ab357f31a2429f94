"""Anomalies in the daily routine of a home, from presence, contact, bed and water sensors."""
