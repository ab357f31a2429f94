"""A receiving MQTT session: the wire, the session's rules, and the connection that keeps coming back."""
