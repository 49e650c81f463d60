#!/usr/bin/env python3
"""alerts_check.py PROMTOOL: are the Prometheus rules sound, does each alert fire when it should, and does each have its
page in docs/alerts.md (and each page its alert)? Ends with 77 (skipped) where there is no promtool."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy" / "prometheus" / "shmemd.rules.yml"
TESTS = ROOT / "deploy" / "prometheus" / "shmemd.rules_test.yml"
PAGES = ROOT / "docs" / "alerts.md"
METRICS = ROOT / "docs" / "metrics.md"


def promtool(program: pathlib.Path, *arguments: str) -> list[str]:
    result = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    return [] if result.returncode == 0 else [result.stdout + result.stderr]


def differences(what: str, got: set[str], wanted: set[str]) -> list[str]:
    return [f"{what}: {name} is missing" for name in sorted(wanted - got)]


def check_pages() -> list[str]:
    rules = RULES.read_text()
    alerts = set(re.findall(r"- alert: (\w+)", rules))
    sections = set(re.findall(r"^## (\w+)$", PAGES.read_text(), re.MULTILINE))
    # Where the package has the page.
    anchors = set(re.findall(r"runbook: /usr/share/doc/shmemd/alerts\.md#(\w+)", rules))
    tested = set(re.findall(r"alertname: (\w+)\n", TESTS.read_text()))
    known = set(re.findall(r"`(\w+)`", METRICS.read_text()))
    expressions = re.sub(r"annotations:.*?runbook: \S+", "", rules, flags=re.DOTALL)
    used = set(re.findall(r"(?<![:\w])(?:vhost_shmem|vhost_relay|shmemd)_\w+", expressions))
    used = {re.sub(r"_bucket$", "", name) for name in used}
    return [
        *differences("docs/alerts.md", sections, alerts),
        *differences("rules", alerts, sections),
        *differences("runbook annotations", anchors, {name.lower() for name in alerts}),
        *check_links(alerts),
        *differences("alerts that fire in a test", tested, alerts),
        *differences("docs/metrics.md", known, used),
    ]


def check_links(alerts: set[str]) -> list[str]:
    """As the Prometheus operator gets the rules with links."""
    maker = RULES.with_name("make_prometheusrule.py")
    url = "https://docs.example/alerts"
    made = subprocess.run([sys.executable, "-B", maker, "--runbooks", url], capture_output=True, text=True, check=False)
    links = set(re.findall(rf"runbook_url: {re.escape(url)}#(\w+)$", made.stdout, re.MULTILINE))
    return differences(f"links of {maker.name}", links, {name.lower() for name in alerts})


def main() -> int:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    program = pathlib.Path(sys.argv[1])
    if not program.exists():
        print(f"skipped: no {program}")
        return 77
    problems = [
        *promtool(program, "check", "rules", str(RULES)),
        *promtool(program, "test", "rules", str(TESTS)),
        *check_pages(),
    ]
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problems in rules, their tests and their pages")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
