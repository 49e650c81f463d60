#!/usr/bin/env python3
"""Writes the rules for the Prometheus operator, from the file that Prometheus and promtool read.

usage: make_prometheusrule.py                   writes it
       make_prometheusrule.py --check           ends with 1 unless it is as it would be written
       make_prometheusrule.py --runbooks URL    prints it with links to a copy of docs/alerts.md at URL (runbook_url)
"""

import re
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


def with_links(text, url):
    """The annotation that Alertmanager and Grafana show as a link."""
    return re.sub(r"runbook: \S+/alerts\.md(#\w+)", lambda found: f"runbook_url: {url}{found[1]}", text)


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "--runbooks":
        print(with_links(made(), sys.argv[2]), end="")
        return
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(__doc__)
    if not sys.argv[1:]:
        MADE.write_text(made())
    elif not MADE.exists() or MADE.read_text() != made():
        sys.exit(f"{MADE}: not as {RULES.name} says; run make_prometheusrule.py")


if __name__ == "__main__":
    main()
