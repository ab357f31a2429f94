"""Short guides for those who use the console, in it, with pictures of it; to be read on the screen or printed."""
