"""What a Zigbee2MQTT hub says, read into the types of this project. Values only: no socket, no memory.

`topics` takes a topic apart, `bridge` reads what the hub says of itself and its devices, `report` reads what a device
says. What these mean together, over time, is decided in `ingest.adapters.zigbee2mqtt`.
"""
