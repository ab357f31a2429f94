"""Import folders to begin with."""

from __future__ import annotations

from pathlib import Path

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

AREAS = """\
- path: lianhu
  name: Lianhu district
- path: lianhu.taoyuan
  name: Taoyuan street
- path: lianhu.taoyuan.s1
  name: Station 1
"""
PEOPLE = """\
- key: p-0001
  name: Wang Xiuying
  area: lianhu.taoyuan.s1
  address: 12 Fengqing Road, 3-402
  lat: 34.2655
  lon: 108.9230
  language: zh
  phone: 02987654321
  risks: [lives_alone, dementia]
- key: p-0002
  name: Zhang Wei
  area: lianhu.taoyuan
  fall_point: quiet
"""
DEVICES = """\
id,person,area,kind,placement,model
w-1,p-0001,,wearable,wrist,Band 7
b-1,,lianhu.taoyuan.s1,button,,
spare,,,wearable,,
"""
RESPONDERS = f"""\
- id: r-li
  name: Li Na
  area: lianhu.taoyuan.s1
  languages: [zh, en]
  roles: [nurse]
  channels:
    - type: webhook
      url: https://hooks.example/li
      secret: {SECRET}
    - type: console
- id: r-desk
  name: District desk
  area: lianhu
  channels: [{{type: console}}]
"""
ON_CALL = """\
lianhu: [r-desk]
lianhu.taoyuan.s1: [r-li]
"""


def write_folder(folder: Path, **changed: str) -> Path:
    """A folder of five good files; ``people="..."`` replaces the content of one."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "areas.yaml": AREAS,
        "people.yaml": PEOPLE,
        "devices.csv": DEVICES,
        "responders.yaml": RESPONDERS,
        "on_call.yaml": ON_CALL,
    }
    for name, content in files.items():
        (folder / name).write_text(changed.get(name.partition(".")[0], content), encoding="utf-8")
    return folder
