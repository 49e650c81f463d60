"""The machine that the user guide is about: five devices of VMs, relayed by one shmemd. `media0` is well and `net0` busy, the
region of `gpu0` is full, `cam0` maps and never unmaps, and `fs0` has cut a file that is mapped."""

import json
import pathlib
import sys
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "clients"))

from daemon import Shmemd, Stage  # noqa: E402
from peers import eventually  # noqa: E402

MIB = 1 << 20


def script(regions: dict[int, str], steps: list) -> str:
    return json.dumps({"regions": regions, "backing": "sealed-memfd", "steps": steps})


def map_step(shmid: int, offset: int, length: int, **more) -> dict:
    return {"map": {"shmid": shmid, "shm_offset": offset, "len": length} | more}


# What each back-end does. Nothing of it is touched, so none of it needs memory.
SCRIPTS = {
    "media0": script({0: "4GiB"}, [map_step(0, start * 64 * MIB, (1 + start % 4) * 40 * MIB,
                                            access="ro" if start % 4 == 2 else "rw") for start in range(0, 42, 3)]),
    "gpu0": script({0: "256MiB", 1: "8MiB"}, [map_step(0, start * 32 * MIB, 32 * MIB) for start in range(8)]),
    "cam0": script({2: "512MiB"}, [map_step(2, start * 2 * MIB, MIB) for start in range(180)]),
    "fs0": script({0: "1GiB"}, [
        map_step(0, 0, 96 * MIB, access="ro"),
        map_step(0, 128 * MIB, 64 * MIB, backing="file"),
        {"truncate": {"shmid": 0, "shm_offset": 128 * MIB, "size": 4096}},
        map_step(0, 256 * MIB, 128 * MIB),
    ]),
    "net0": script({0: "256MiB"}, [map_step(0, 0, 64 * MIB), {"repeat": [
        map_step(0, 128 * MIB, MIB), {"wait": "40ms"},
        {"unmap": {"shmid": 0, "shm_offset": 128 * MIB, "len": MIB}}, {"wait": "10ms"}], "times": "forever"}]),
}
# At least, once all is there.
MAPPINGS = {"media0": 14, "gpu0": 8, "cam0": 180, "fs0": 3, "net0": 1}


class Scene:
    """Started, with everything mapped that will be."""

    def __init__(self, stage: Stage, *arguments: str, metrics: str = "127.0.0.1:0"):
        words = []
        for id, text in SCRIPTS.items():
            words += ["--relay", f"{id}={stage.directory / id}.vm.sock,{stage.backend(id, script=text)}"]
        # The whole memory table at each map: with it shmemd sees the files again.
        vmm = stage.directory / "vmm.yaml"
        vmm.write_text("echo: table\n")
        self.daemon: Shmemd = stage.shmemd(*words, *arguments, metrics=metrics)
        self.metrics = urllib.parse.urlsplit(self.daemon.address("metrics on http://")).netloc
        for id in SCRIPTS:
            stage.vmm(stage.directory / f"{id}.vm.sock", "--script", vmm)
        eventually("back-ends without all of their mappings", self._behind, [])

    def _behind(self) -> list[str]:
        regions = json.loads(self.daemon.ctl("regions", "-o", "json")).get("regions", [])
        found = dict.fromkeys(MAPPINGS, 0)
        for region in regions:
            found[region["name"].split("/")[1]] += int(region["mappingCount"])
        return [id for id, count in MAPPINGS.items() if found[id] < count]
