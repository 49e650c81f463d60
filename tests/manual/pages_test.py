#!/usr/bin/env python3
"""The manual pages of the real programs: nothing that groff, mandoc or man complains about, and everything that --help
says.

usage: pages_test.py BIN_DIR
"""
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BIN = Path(sys.argv[1])
PAGES = (("shmemd", "--man"), ("shmemd", "--man-config"), ("shmemctl", "--man"), ("shmem-demo-backend", "--man"),
         ("shmem-demo-vmm", "--man"))
FLAG = re.compile(r"^\s+(-\w(?:,--[\w-]+)?|--[\w-]+)\b", re.MULTILINE)


def output(*command, **environment):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                            env={**os.environ, **environment})
    return result.returncode, result.stdout


def source_of(program, flag="--man"):
    code, text = output(BIN / program, flag)
    assert code == 0, text
    return text


def complaints(text):
    """What the three formatters say of a page's source."""
    section = re.match(r'\.TH "[^"]+" (\d)', text)[1]
    with tempfile.NamedTemporaryFile("w", suffix=f".{section}") as page:
        page.write(text)
        page.flush()
        said = output("mandoc", "-Tlint", page.name)[1]
        said += subprocess.run(["groff", "-man", "-ww", "-Tutf8", page.name], stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True, check=False).stderr
        said += subprocess.run(["man", "--warnings", "-l", page.name], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                               text=True, check=False, env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8"}).stderr
    return said


def rendered(text):
    with tempfile.NamedTemporaryFile("w", suffix=".1") as page:
        page.write(text)
        page.flush()
        code, shown = output("man", "-l", page.name, MANWIDTH="300", LC_ALL="C.UTF-8", MANPAGER="cat", GROFF_NO_SGR="1")
    assert code == 0, shown
    return re.sub(".\b", "", shown)


class PagesTest(unittest.TestCase):
    def test_nobody_complains(self):
        for program, flag in PAGES:
            self.assertEqual(complaints(source_of(program, flag)), "", program)

    def test_a_complaint_is_noticed(self):
        page = source_of("shmemctl")
        self.assertIn("unknown macro", complaints(page + "\n.XX oops\n"))
        self.assertIn("\\[nonsense]", complaints(page + "\n\\[nonsense]\n"))

    def test_every_flag_of_help_is_on_the_page(self):
        for program in ("shmemd", "shmemctl", "shmem-demo-backend", "shmem-demo-vmm"):
            page = rendered(source_of(program))
            flags = FLAG.findall(output(BIN / program, "--help")[1])
            self.assertGreater(len(flags), 5, program)
            for flag in flags:
                self.assertIn(flag.replace(",", ", "), page, program)

    def test_every_command_is_on_the_page_with_its_flags_and_examples(self):
        page = rendered(source_of("shmemctl"))
        listed = output(BIN / "shmemctl", "--help")[1]
        commands = re.findall(r"^  ([a-z][a-z-]+)  +[A-Z]", listed, re.MULTILINE)
        self.assertGreater(len(commands), 10)
        for command in commands:
            part = re.search(rf"^   {command}\b.*?(?=^   \S|^\S)", page, re.MULTILINE | re.DOTALL)
            self.assertIsNotNone(part, command)
            help_text = output(BIN / "shmemctl", command, "--help")[1]
            for flag in FLAG.findall(help_text):
                self.assertIn(flag.replace(",", ", "), page, command)
            for example in re.findall(r"^  (shmemctl .*)$", help_text, re.MULTILINE):
                self.assertIn(example.split("   ")[0], part[0])

    def test_every_setting_is_on_its_page(self):
        page = rendered(source_of("shmemd", "--man-config"))
        settings = re.findall(r"^\s+--([\w-]+)", output(BIN / "shmemd", "--help")[1], re.MULTILINE)
        shown = re.findall(r"\(--([\w-]+)\)", page)
        self.assertEqual(set(settings) - set(shown), {"version", "config", "check-config", "relay", "frontend", "probe"})
        self.assertGreater(len(shown), 40)

    def test_the_page_is_the_same_wherever_it_is_made(self):
        for program, flag in PAGES:
            here = source_of(program, flag)
            self.assertNotIn(str(BIN), here)
            there = subprocess.run([f"./{program}", flag], cwd=BIN, stdout=subprocess.PIPE, text=True, check=True,
                                   env={"LC_ALL": "C", "TZ": "Asia/Tokyo"}).stdout
            self.assertEqual(here, there)

    def test_help_does_not_name_the_flag_that_makes_it(self):
        for program, _ in PAGES:
            self.assertNotIn("--man", output(BIN / program, "--help")[1])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
