#!/usr/bin/env python3
"""kubevirt_test.py: is the policy as overlays/qemu says, and does the hook add the device to every form of domain?"""

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

OVERLAY = Path(__file__).resolve().parents[2] / "deploy" / "k8s" / "overlays" / "kubevirt"
QEMU = "{http://libvirt.org/schemas/domain/qemu/1.0}"
NAMESPACE = 'xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0"'
OWN_ARGUMENT = '<qemu:commandline><qemu:arg value="-own"/></qemu:commandline>'
DOMAINS = {
    "bare": '<domain type="kvm">\n  <devices>\n  </devices>\n</domain>',
    "on one line": f'<domain type="kvm" {NAMESPACE}><devices></devices></domain>',
    "with arguments": f'<domain type="kvm" {NAMESPACE}>\n<devices></devices>\n{OWN_ARGUMENT}\n</domain>',
    "with memory": '<domain type="kvm"><memoryBacking><access mode="shared"/></memoryBacking><devices></devices></domain>',
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
    if [element.tag for element in domain].count("memoryBacking") != 1 or domain.find(
        "memoryBacking/access"
    ) is None:
        yield f"{name}: {run.stdout}"


def main():
    found = [problem for name, text in DOMAINS.items() for problem in problems_of(name, text)]
    check = subprocess.run(
        [sys.executable, "-B", OVERLAY / "make_policy.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    found += [check.stderr] if check.returncode else []
    print("\n".join(found) or f"{len(DOMAINS)} domains, and the policy is as it should be")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
