#!/usr/bin/env python3
"""Installs everything into a folder, moves it, and uses it as somebody else would: the example of README.md is built with
CMake and with pkg-config, and follows the mappings of a real shmemd with a demo back-end.

usage: install_test.py SOURCE BUILD COMPILER
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

SOURCE, BUILD, COMPILER = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
DEADLINE_S = 60

CMAKE_LISTS = """\
cmake_minimum_required(VERSION 3.16)
project(example LANGUAGES CXX)
find_package(shmemd-client 0.1 CONFIG REQUIRED)
add_executable(example example.cc)
target_link_libraries(example PRIVATE shmemd::client)
"""


def run(*command, **options):
    result = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, check=False, **options)
    if result.returncode != 0:
        raise AssertionError(f"{command} ended with {result.returncode}:\n{result.stdout}")
    return result.stdout


def example_of_readme():
    blocks = re.findall(r"```cpp\n(.*?)```", (SOURCE / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 1, f"README.md has {len(blocks)} examples in C++, expected 1"
    return blocks[0]


def wait_for(what, condition):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come")
        time.sleep(0.02)


class Shmemd:
    """A demo back-end that maps and unmaps, and the installed shmemd in front of it."""

    def __init__(self, bin_dir, folder):
        self.folder = folder
        self.socket = folder / "run" / "api.sock"
        self.bin_dir = bin_dir
        self.backend = subprocess.Popen([bin_dir / "shmem-demo-backend", "--socket", folder / "b.sock"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.shmemd = None
        self.start()

    def start(self):
        self.shmemd = subprocess.Popen(
            [self.bin_dir / "shmemd", "--frontend", f"demo={self.folder / 'b.sock'}", "--run-dir", self.folder / "run",
             "--metrics-listen", "off"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for("shmemd's socket", self.socket.exists)

    def stop(self):
        self.shmemd.terminate()
        self.shmemd.wait(DEADLINE_S)

    def end(self):
        self.stop()
        self.backend.kill()
        self.backend.wait(DEADLINE_S)


class InstallTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="shmemd-install-"))
        run("cmake", "--install", BUILD, "--prefix", cls.folder / "first")
        cls.prefix = cls.folder / "moved"  # what is installed names no place
        (cls.folder / "first").rename(cls.prefix)
        cls.shmemd = Shmemd(cls.prefix / "bin", cls.folder)
        cls.example = example_of_readme()

    @classmethod
    def tearDownClass(cls):
        cls.shmemd.end()
        shutil.rmtree(cls.folder)

    def project(self, name):
        folder = self.folder / name
        folder.mkdir()
        (folder / "example.cc").write_text(self.example, encoding="utf-8")
        return folder

    def pkgconfig(self):
        """lib/pkgconfig, or that of Debian's architecture."""
        (file,) = (self.prefix / "lib").rglob("shmemd-client.pc")
        return file.parent

    def expect_to_follow(self, program):
        output = self.folder / "output"
        with output.open("w") as out, subprocess.Popen([program, self.shmemd.socket], stdin=subprocess.PIPE,
                                                       stdout=out) as example:
            try:
                text = output.read_text
                mappings = "backends/demo/regions/"
                wait_for("the state", lambda: f"= {mappings}" in text())
                wait_for("a new mapping", lambda: f"+ {mappings}" in text())
                wait_for("the end of a mapping", lambda: f"- {mappings}" in text())
                seen = len(text())
                self.shmemd.stop()
                self.shmemd.start()
                wait_for("the state after a restart", lambda: f"= {mappings}" in text()[seen:])
                seen = len(text())
                wait_for("changes after a restart", lambda: f"+ {mappings}" in text()[seen:])
            except AssertionError:
                example.kill()
                raise
            example.stdin.close()
            self.assertEqual(example.wait(DEADLINE_S), 0)

    def test_with_cmake(self):
        folder = self.project("cmake")
        (folder / "CMakeLists.txt").write_text(CMAKE_LISTS, encoding="utf-8")
        run("cmake", "-S", folder, "-B", folder / "build", f"-DCMAKE_CXX_COMPILER={COMPILER}",
            f"-DCMAKE_PREFIX_PATH={self.prefix}")
        run("cmake", "--build", folder / "build")
        self.expect_to_follow(folder / "build" / "example")

    def test_with_pkg_config(self):
        folder = self.project("pkg-config")
        environment = {**os.environ, "PKG_CONFIG_PATH": str(self.pkgconfig())}
        flags = run("pkg-config", "--cflags", "--libs", "shmemd-client", env=environment).split()
        run(COMPILER, "-std=c++20", "-Wall", "-Wextra", "-Werror", folder / "example.cc", "-o", folder / "example", *flags)
        self.expect_to_follow(folder / "example")

    def test_headers_stand_alone(self):
        environment = {**os.environ, "PKG_CONFIG_PATH": str(self.pkgconfig())}
        flags = run("pkg-config", "--cflags", "shmemd-client", env=environment).split()
        headers = sorted(path.name for path in (self.prefix / "include" / "shmemd").iterdir())
        self.assertIn("client.h", headers)
        for header in headers:
            run(COMPILER, "-std=c++20", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c++", *flags, "-",
                input=f"#include <shmemd/{header}>\n")

    def test_the_description_knows_every_service(self):
        protoset = self.prefix / "share" / "shmemd" / "shmemd.protoset"
        with protoset.open("rb") as source:
            text = run("protoc", "--decode_raw", stdin=source)
        for name in ("ShmemInspector", "ShmemAdmin", "google/protobuf/timestamp.proto", "vhost/shmem/v1/watch.proto"):
            self.assertIn(name, text)
        protos = {path.name for path in (self.prefix / "share" / "shmemd" / "proto").rglob("*.proto")}
        self.assertEqual(protos, {path.name for path in (SOURCE / "proto" / "vhost").rglob("*.proto")})
        include = self.prefix / "share" / "shmemd" / "proto"
        run("protoc", "-I", include, "--descriptor_set_out=/dev/null", *sorted(include.rglob("*.proto")))

    def test_each_component_is_what_it_says(self):
        for component, expected in (("server", {"shmemd", "shmemd.8.gz", "shmemd.yaml.5.gz"}),
                                    ("ctl", {"shmemctl", "shmemctl.1.gz", "_shmemctl", "shmemctl.fish"}),
                                    ("demo", {"shmem-demo-backend", "shmem-demo-backend.1.gz", "shmem-demo-vmm",
                                              "shmem-demo-vmm.1.gz"})):
            folder = self.folder / component
            run("cmake", "--install", BUILD, "--prefix", folder, "--component", component)
            self.assertEqual({path.name for path in folder.rglob("*") if path.is_file()}, expected)
        folder = self.folder / "client-dev"
        run("cmake", "--install", BUILD, "--prefix", folder, "--component", "client-dev")
        self.assertFalse((folder / "bin").exists())
        archives = list((folder / "lib").rglob("*.a"))
        self.assertEqual(len(archives), 3)
        for archive in archives:
            symbols = run("nm", "-C", "--defined-only", archive)
            self.assertNotIn("google::rpc::", symbols)
            self.assertNotIn("grpc::health", symbols)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
