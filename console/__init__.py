"""The web console: the live incident board, the links that acknowledge, and what was decided on and why."""
