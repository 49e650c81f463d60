#!/usr/bin/env python3
"""Writes the rules for the Prometheus operator, from the file that Prometheus and promtool read.

usage: make_prometheusrule.py            writes it
       make_prometheusrule.py --check    ends with 1 unless it is as it would be written
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
RULES = HERE / "shmemd.rules.yml"
MADE = HERE.parent / "k8s" / "components" / "monitoring" / "prometheusrule.yaml"
HEAD = """\
# Made from deploy/prometheus/shmemd.rules.yml by make_prometheusrule.py beside it; change that file.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: shmemd
spec:
"""


def made():
    lines = RULES.read_text().splitlines()
    rules = lines[lines.index("groups:") :]
    return HEAD + "".join(f"  {line}".rstrip() + "\n" for line in rules)


def main():
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(__doc__)
    if not sys.argv[1:]:
        MADE.write_text(made())
    elif not MADE.exists() or MADE.read_text() != made():
        sys.exit(f"{MADE}: not as {RULES.name} says; run make_prometheusrule.py")


if __name__ == "__main__":
    main()
