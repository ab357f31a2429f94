"""Homes that do not exist: who lives there, where they are over the day, what the sensors say of it."""
