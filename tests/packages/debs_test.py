#!/usr/bin/env python3
"""The Debian packages as cpack makes them: lintian has nothing to say, they bring what they should where it belongs, and
the same build makes the same bytes. What they do to a host is tried by ./dev image.

usage: debs_test.py SOURCE BUILD
"""
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SOURCE, BUILD = Path(sys.argv[1]), Path(sys.argv[2])
LISTS = Path(__file__).with_name("files")
NAMES = ("libshmemd-client-dev", "shmemctl", "shmemd", "shmemd-demo")


def run(*command, **options):
    return subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **options)


def output(*command):
    result = run(*command)
    if result.returncode != 0:
        raise AssertionError(f"{command} ended with {result.returncode}:\n{result.stdout}")
    return result.stdout


def make(folder, *options):
    output("cpack", "--config", BUILD / "CPackConfig.cmake", "-G", "DEB", "-D", f"CPACK_OUTPUT_FILE_PREFIX={folder}",
           "-D", f"CPACK_PACKAGE_DIRECTORY={folder}", *options)
    return {path.name.split("_")[0]: path for path in sorted(Path(folder).glob("*.deb"))}


class DebsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.debs = make(cls.folder.name)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def field(self, name, field):
        return output("dpkg-deb", "--field", self.debs[name], field).strip()

    def test_lintian_has_nothing_to_say(self):
        self.assertEqual(sorted(self.debs), sorted(NAMES))
        lintian = run("lintian", "--allow-root", "--fail-on", "error,warning", *self.debs.values())
        self.assertEqual((lintian.returncode, lintian.stdout), (0, ""))

    def test_each_brings_what_it_should(self):
        for name, deb in self.debs.items():
            lines = [line.split(None, 5) for line in output("dpkg-deb", "--contents", deb).splitlines()]
            self.assertEqual({line[1] for line in lines}, {"root/root"}, name)
            found = "".join(f"{line[0]} {line[5][1:]}\n" for line in lines if not line[0].startswith("d") and not line[5].endswith(".md"))
            found = "".join(sorted(found.replace(self.architecture(), "ARCH").splitlines(keepends=True)))
            self.assertEqual(found, (LISTS / f"{name}.txt").read_text(encoding="utf-8"), name)

    @staticmethod
    def architecture():
        return output("dpkg-architecture", "--query", "DEB_HOST_MULTIARCH").strip()

    def test_each_needs_what_it_loads(self):
        for name, library in (("shmemd", "libgrpc++1.51"), ("shmemctl", "libgrpc++1.51"), ("shmemd-demo", "libyaml-cpp0.7"),
                              ("libshmemd-client-dev", "libgrpc++-dev")):
            self.assertIn(library, self.field(name, "Depends"))
        self.assertNotIn("libgrpc", self.field("shmemd-demo", "Depends"))
        self.assertIn("systemd-standalone-sysusers", self.field("shmemd", "Depends"))
        self.assertEqual(self.field("shmemd", "Recommends"), "shmemctl")

    def test_it_brings_the_page_that_alerts_name(self):
        rules = (SOURCE / "deploy" / "prometheus" / "shmemd.rules.yml").read_text(encoding="utf-8")
        pages = {word.split("#")[0] for word in re.findall(r"runbook: (\S+)", rules)}
        self.assertEqual(len(pages), 1)
        contents = output("dpkg-deb", "--contents", self.debs["shmemd"]).split()
        self.assertIn("." + pages.pop(), contents)

    def test_the_administrators_files_are_named(self):
        conffiles = output("dpkg-deb", "--info", self.debs["shmemd"], "conffiles").split()
        listed = {line.split()[1] for line in (LISTS / "shmemd.txt").read_text(encoding="utf-8").splitlines()}
        self.assertEqual(sorted(conffiles), sorted(path for path in listed if path.startswith("/etc/")))

    def test_the_changelog_has_the_version(self):
        log = output("dpkg-parsechangelog", "--file", BUILD / "packages" / "changelog.Debian", "--show-field", "Version")
        self.assertEqual(self.field("shmemd", "Version"), log.strip())

    def test_made_again_they_are_the_same(self):
        with tempfile.TemporaryDirectory() as folder:
            again = make(folder, "-D", "CPACK_COMPONENTS_ALL=demo;shmemd-demo-extra;client-dev;libshmemd-client-dev-extra")
            self.assertEqual(len(again), 2)
            for name, deb in again.items():
                self.assertEqual(deb.read_bytes(), self.debs[name].read_bytes(), name)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
