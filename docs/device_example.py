"""One wearable, to copy: motion, vital signs, birth message and will, and an SOS that is repeated until it is heard.

    pip install paho-mqtt
    python device_example.py HOST PORT DEVICE PASSWORD [CA.pem]      Enter is the SOS button, Ctrl-C is an empty battery

Your sensors belong into sample() and where the vital signs are drawn. The contract: docs/device-makers.md.
"""

import itertools
import json
import math
import random
import signal
import struct
import sys
import threading
import time

import paho.mqtt.client as mqtt

FS_HZ, LSB_G, VITALS_S, HEARTBEAT_S, REPEAT_S = 50, 1 / 4096, 30, 60, 2
ABOUT = {"online": True, "battery": 83, "placement": "wrist", "heartbeat_s": HEARTBEAT_S}
host, port, device, password, *ca = sys.argv[1:]
boot = random.getrandbits(32)  # drawn at each start: with stream and seq it makes every message unique
seqs = dict.fromkeys(("motion", "vitals", "event", "status"), 0)
calls = {}  # seq -> an SOS that nobody has acknowledged yet


def sample(n):
    """x, y, z of the n-th sample, in g: somebody walks."""
    step = math.sin(2 * math.pi * 1.8 * n / FS_HZ)
    return 0.1 * step, 0.05 * math.cos(2 * math.pi * 0.9 * n / FS_HZ), 1 + 0.25 * step


def head(stream, t=None):
    """What every message has; t is the epoch time of its first sample, in ms."""
    seqs[stream] += 1
    return {"t": t or time.time_ns() // 1_000_000, "boot": boot, "seq": seqs[stream]}


def msgpack(fields):
    """A map of up to 15 short names to bytes, floats and unsigned integers."""
    out = bytes([0x80 | len(fields)])
    for name, value in fields.items():
        out += bytes([0xA0 | len(name)]) + name.encode()
        if isinstance(value, bytes):
            out += struct.pack(">BH", 0xC5, len(value)) + value
        elif isinstance(value, float):
            out += struct.pack(">Bd", 0xCB, value)
        else:
            out += struct.pack(">BQ", 0xCF, value)
    return out


def publish(stream, fields):
    payload = msgpack(fields) if stream == "motion" else json.dumps(fields)
    client.publish(f"care/v1/{device}/{stream}", payload, qos=1, retain=stream == "status")


def on_connect(*_):
    client.subscribe(f"care/v1/{device}/cmd", qos=1)
    publish("status", head("status") | ABOUT)


def on_message(_client, _, message):
    command = json.loads(message.payload)
    if command["type"] == "ack" and command["boot"] == boot and calls.pop(command["seq"], None):
        print("SOS: the server has it", flush=True)


def press():
    for _ in sys.stdin:
        sos = head("event") | {"type": "sos"}
        calls[sos["seq"]] = sos  # its t, boot and seq stay the same however often it is sent
        publish("event", sos)


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=device, clean_session=False)
client.username_pw_set(device, password)
if ca:
    client.tls_set(ca[0])
client.will_set(f"care/v1/{device}/status", json.dumps(head("status") | {"online": False}), qos=1, retain=True)
client.on_connect, client.on_message = on_connect, on_message
client.connect_async(host, int(port))
client.loop_start()  # connects again by itself, and keeps what is published meanwhile
threading.Thread(target=press, daemon=True).start()
signal.signal(signal.SIGINT, signal.SIG_DFL)  # no goodbye: the broker publishes the will
began_ms = time.time_ns() // 1_000_000
for second in itertools.count(1):
    time.sleep(max(0.0, began_ms / 1000 + second - time.time()))
    acc = [round(g / LSB_G) for n in range(FS_HZ) for g in sample(second * FS_HZ + n)]
    frame = {"fs": float(FS_HZ), "lsb": LSB_G, "acc": struct.pack(f"<{len(acc)}h", *acc)}
    publish("motion", head("motion", began_ms + second * 1000 - 1000) | frame)
    if second % VITALS_S == 1:
        publish("vitals", head("vitals") | {"hr": random.randint(68, 76), "spo2": random.randint(95, 98)})
    if second % HEARTBEAT_S == 0:
        publish("status", head("status") | ABOUT)
    for sos in list(calls.values()) if second % REPEAT_S == 0 and client.is_connected() else ():
        publish("event", sos)
