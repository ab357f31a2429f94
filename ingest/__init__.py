"""From MQTT to the journals and on to the store: gateway, processor and writer, each a process of its own."""
