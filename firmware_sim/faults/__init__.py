"""What goes wrong with devices, links and brokers, as parts that a scenario switches on one by one.

:mod:`settings` is what a scenario file says, :mod:`cast` draws who is struck, :mod:`afflicted` is a device with what
strikes it; the other modules are the faults. Nothing here reads a clock or a socket: what becomes of a message follows
from scenario, seed, source and start alone.
"""
