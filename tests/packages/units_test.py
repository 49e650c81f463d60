#!/usr/bin/env python3
"""The systemd units and the default configuration: well formed, as hardened as docs/packages.md says, true.

usage: units_test.py SOURCE BIN_DIR
"""
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SOURCE, BIN = Path(sys.argv[1]), Path(sys.argv[2]).resolve()
UNITS = SOURCE / "deploy" / "systemd"
CONFIG = UNITS / "shmemd.yaml"
# In the language of systemd-analyze: 15 is an exposure of 1.5.
MOST_EXPOSED = 15


def run(*command):
    result = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            check=False)
    return result.returncode, result.stdout


def unit_lines(name):
    """Lines of a unit, continued ones in one."""
    return (UNITS / name).read_text(encoding="utf-8").replace("\\\n", "").splitlines()


def check_config(text, *flags):
    """What a configuration comes to. Its group for readers comes with the package; here that of root stands for it."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text.replace("shmemd-read", "root"))
        file.flush()
        return run(BIN / "shmemd", "--check-config", "--config", file.name, *flags)


class Units:
    """The units in a folder, with the program of this build; an instance stands for the template."""

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory()
        self.paths = {}
        for name in ("shmemd.service", "shmemd@vm7.service"):
            text = (UNITS / re.sub("@.*\\.", "@.", name)).read_text(encoding="utf-8")
            self.paths[name] = Path(self._folder.name) / name
            self.paths[name].write_text(text.replace("/usr/bin/shmemd", str(BIN / "shmemd")), encoding="utf-8")
        return self

    def __exit__(self, *_):
        self._folder.cleanup()


def exposure(unit):
    """Whether it is exposed no more than it may, and what systemd-analyze says of it."""
    code, text = run("systemd-analyze", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager", "security", unit)
    return code == 0, text


class UnitsTest(unittest.TestCase):
    def test_systemd_understands_every_line(self):
        with Units() as units:
            for name, path in units.paths.items():
                self.assertEqual(run("systemd-analyze", "--man=no", "verify", path), (0, ""), name)

    def test_a_misspelt_line_is_noticed(self):
        with Units() as units:
            path = units.paths["shmemd.service"]
            path.write_text(path.read_text(encoding="utf-8").replace("ProtectHome", "ProtectHoem"), encoding="utf-8")
            self.assertIn("ProtectHoem", run("systemd-analyze", "--man=no", "verify", path)[1])

    def test_they_are_as_hardened_as_the_page_says(self):
        page = (SOURCE / "docs" / "packages.md").read_text(encoding="utf-8")
        stated = re.search(r"exposure level ([\d.]+)", page)[1]
        with Units() as units:
            for name, path in units.paths.items():
                ok, text = exposure(path)
                self.assertTrue(ok, text)
                self.assertIn(f"Overall exposure level for {name}: {stated} OK", text)

    def test_a_unit_with_less_of_it_is_noticed(self):
        with Units() as units:
            path = units.paths["shmemd.service"]
            text = path.read_text(encoding="utf-8")
            path.write_text(text.replace("ProtectKernelModules=yes", ""), encoding="utf-8")
            self.assertFalse(exposure(path)[0])

    def test_an_instance_differs_in_its_places_only(self):
        main, instance = (unit_lines(name) for name in ("shmemd.service", "shmemd@.service"))
        places = ("Description=", "ExecStart=", "RuntimeDirectory", "StateDirectory", "#")
        self.assertEqual([line for line in main if not line.startswith(places)],
                         [line for line in instance if not line.startswith(places)])

    def test_the_places_of_an_instance_win_over_its_file(self):
        (start,) = (line for line in unit_lines("shmemd@.service") if line.startswith("ExecStart="))
        flags = start.replace("%i", "vm7").replace("shmemd-read", "root").split()[3:]
        file = "state_dir: /var/lib/shmemd\napi: {socket: /run/shmemd/api.sock, admin_socket: /run/shmemd/admin.sock}\n"
        code, text = check_config(file, *flags)
        self.assertEqual(code, 0, text)
        for place in ("/run/shmemd/vm7/api.sock", "/run/shmemd/vm7/admin.sock", "/var/lib/shmemd/vm7"):
            self.assertIn(place, text)
        for place in ("/run/shmemd/api.sock", "/run/shmemd/admin.sock"):
            self.assertNotIn(place, text)

    def test_what_passes_is_tried_again_for_ever(self):
        for name in ("shmemd.service", "shmemd@.service"):
            lines = unit_lines(name)
            self.assertIn("StartLimitIntervalSec=0", lines)
            self.assertIn("RestartPreventExitStatus=2", lines)

    def test_readers_have_a_group_that_nothing_else_belongs_to(self):
        self.assertIn("socket_group: shmemd-read", CONFIG.read_text(encoding="utf-8"))
        accounts = (UNITS / "shmemd.sysusers").read_text(encoding="utf-8")
        self.assertIn("m shmemd shmemd-read\n", accounts)
        for name in ("shmemd.service", "shmemd@.service"):
            self.assertIn("Group=shmemd", unit_lines(name))

    def test_the_default_configuration_is_one(self):
        code, text = check_config(CONFIG.read_text(encoding="utf-8"))
        self.assertEqual(code, 0, text)
        self.assertIn("back-ends        none", text)
        self.assertIn("state_dir        /var/lib/shmemd", text)

    def test_what_it_shows_as_defaults_are_the_defaults(self):
        """All that is commented out holds, and changes nothing but the back-ends."""
        lines = CONFIG.read_text(encoding="utf-8").splitlines()
        shown = [re.sub(r"^#(?! \S)", "", line) for line in lines if line and line != "backends: []"]
        code, text = check_config("\n".join(line for line in shown if not line.startswith("#")))
        self.assertEqual(code, 0, text)
        kept = [line for line in text.splitlines() if not line.startswith("back-end")]
        plain = check_config("\n".join(lines))[1].splitlines()
        self.assertEqual(kept, [line for line in plain if not line.startswith("back-end")])
        self.assertIn("back-end         gpu0: relay", text)
        self.assertIn("back-end         cam0: probe", text)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
