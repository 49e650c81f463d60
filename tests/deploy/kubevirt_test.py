#!/usr/bin/env python3
"""kubevirt_test.py: is the policy as its sidecars say, with probes that do not go to the guest, and does the hook add the
device and memory that can be shared to every form of domain?"""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

OVERLAY = Path(__file__).resolve().parents[2] / "deploy" / "k8s" / "overlays" / "kubevirt"
QEMU = "{http://libvirt.org/schemas/domain/qemu/1.0}"
NAMESPACE = 'xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0"'
OWN_ARGUMENT = '<qemu:commandline><qemu:arg value="-own"/></qemu:commandline>'
DISK = '<disk type="file"><source file="/disk.img"/></disk>'
# Virt-launcher's network leads to the guest.
BY_NETWORK = re.compile(r"\b(httpGet|tcpSocket|grpc)\b")


def _backed(memory):
    return f'<domain type="kvm"><memoryBacking>{memory}</memoryBacking><devices>{DISK}</devices></domain>'


DOMAINS = {
    "bare": '<domain type="kvm">\n  <devices>\n  </devices>\n</domain>',
    "on one line": f'<domain type="kvm" {NAMESPACE}><devices></devices></domain>',
    "with arguments": f'<domain type="kvm" {NAMESPACE}>\n<devices></devices>\n{OWN_ARGUMENT}\n</domain>',
    "with memory": _backed('<access mode="shared"/>'),
    "with huge pages": _backed('<hugepages><page size="2" unit="Mi"></page></hugepages>'),
    "with private memory": _backed("<access mode='private'></access><source type=\"anonymous\"/>"),
    "with a file": _backed('\n<source type="file"/>\n'),
    "with no memory to speak of": '<domain type="kvm"><memoryBacking/><devices></devices></domain>',
}


def problems_of(name, text):
    run = subprocess.run(
        ["sh", OVERLAY / "add_device.sh", "--vmi", "{}", "--domain", text],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        yield f"{name}: {run.stderr}"
        return
    domain = ET.fromstring(run.stdout)
    arguments = [argument.get("value") for argument in domain.findall(f"{QEMU}commandline/{QEMU}arg")]
    kept = ["-own"] if "-own" in text else []
    if arguments[: len(kept)] != kept or arguments[len(kept) :: 2] != ["-chardev", "-device"]:
        yield f"{name}: arguments {arguments}"
    if [element.tag for element in domain].count("memoryBacking") != 1:
        yield f"{name}: {run.stdout}"
        return
    memory = domain.find("memoryBacking")
    kept = "file" if 'type="file"/>' in text else "memfd"
    found = [(element.tag, *element.attrib.values()) for element in memory if element.tag != "hugepages"]
    if sorted(found) != [("access", "shared"), ("source", kept)]:
        yield f"{name}: memory {found}"
    if ("hugepages" in text) != (memory.find("hugepages/page") is not None) or (DISK in text) != (DISK in run.stdout):
        yield f"{name}: lost something: {run.stdout}"


def probe_problems(policy):
    """A sidecar's probes run a program in the container; kubelet's others would reach the guest."""
    yield from (f"the policy has a probe by {kind}" for kind in BY_NETWORK.findall(policy))
    for probe in ("startupProbe", "readinessProbe"):
        if f"{probe}.exec{{" not in policy:
            yield f"the policy has no {probe} by exec"


def policy_problems():
    check = subprocess.run(
        [sys.executable, "-B", OVERLAY / "make_policy.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    yield from [check.stderr] if check.returncode else []
    policy = (OVERLAY / "policy.yaml").read_text()
    yield from probe_problems(policy)
    if len(list(probe_problems(policy.replace("readinessProbe.exec{", "readinessProbe.httpGet{")))) != 2:
        yield "a planted probe by HTTP was not noticed"


def main():
    found = [problem for name, text in DOMAINS.items() for problem in problems_of(name, text)]
    found += policy_problems()
    print("\n".join(found) or f"{len(DOMAINS)} domains, and the policy is as it should be")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
