"""Devices that do not exist: wearers, buttons and fleets that publish over MQTT, with the truth about what happened.

Read in order: a *motion source* (`recordings`, `synthetic`) yields clips, `motion` joins them to an endless track with
falls at known samples, `device` turns tracks, vitals and presses into messages, `session` sends them and keeps what
could not be sent, `fleet` runs many, `truth` says what a system should have found.
"""
