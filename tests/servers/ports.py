"""Free ports and waiting for a child process to listen: the same as the demo's."""

from carecircle.ports import free_port, wait_for_port

__all__ = ["free_port", "wait_for_port"]
