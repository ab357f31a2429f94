"""Settings, command line, and putting the rooms together."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("carecircle")
except PackageNotFoundError:  # a checkout that was not installed
    __version__ = "0+unknown"
