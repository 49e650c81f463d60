#!/usr/bin/env python3
"""Plants violations and expects the checks to catch each, and nothing else.

usage: selftest.py NM PLANTED_ARCHIVE
"""
import sys
import tempfile
import unittest
from pathlib import Path

import check_link
import check_tree

NM, PLANTED = sys.argv[1], sys.argv[2]


def violations_of(files):
    with tempfile.TemporaryDirectory() as root:
        for name, text in files.items():
            path = Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return check_tree.check(root)


def including(*names):
    # Foreign libraries come in angle brackets.
    foreign = ("grpcpp/", "google/", "prometheus/", "absl/", "civetweb")
    return "".join(f"#include <{name}>\n" if name.startswith(foreign) else f'#include "{name}"\n' for name in names)


class TreeTest(unittest.TestCase):
    def caught(self, file, *includes):
        found = violations_of({file: including(*includes)})
        self.assertEqual(len(found), len(includes), found)
        self.assertIn(f"{file}:1: ", found[0])

    def clean(self, file, *includes):
        self.assertEqual(violations_of({file: including(*includes)}), [])

    def test_floors_look_down_only(self):
        self.caught("server/vhost/codec.cc", "server/state/event.h")
        self.caught("server/state/region.h", "server/vhost/names.h", "server/session/session_tracker.h")
        self.caught("server/net/listener.cc", "server/feed/hub.h")
        self.caught("server/feed/hub.cc", "server/vhost/protocol.h", "server/net/listener.h")
        self.caught("server/base/clock.cc", "server/state/event.h")
        self.caught("server/frontend/prober.cc", "server/relay/pump.h", "server/api/reactor.h")
        self.clean("server/session/session_tracker.cc", "server/vhost/codec.h", "server/state/event.h",
                   "server/base/clock.h", "server/session/pending.h")
        self.clean("server/app/shmemd.cc", "server/api/server.h", "server/metrics/http.h", "server/net/listener.h")

    def test_one_header_is_a_narrow_door(self):
        self.clean("server/convert/region.cc", "server/vhost/names.h", "vhost/shmem/v1/region.pb.h")
        self.caught("server/convert/region.cc", "server/vhost/codec.h")
        self.caught("server/metrics/collector.cc", "vhost/shmem/v1/region.pb.h")

    def test_no_way_around_by_a_relative_path(self):
        self.caught("server/state/region.cc", "../vhost/codec.h")
        self.caught("client/print/table.cc", "table.h")

    def test_foreign_libraries_stay_in_their_folders(self):
        self.caught("server/convert/region.cc", "grpcpp/grpcpp.h")
        self.caught("server/session/session_tracker.cc", "google/protobuf/message.h", "prometheus/gauge.h")
        self.caught("server/feed/hub.cc", "absl/synchronization/mutex.h")
        self.clean("server/api/inspector.cc", "grpcpp/grpcpp.h", "vhost/shmem/v1/inspector.grpc.pb.h")
        self.clean("server/metrics/http.cc", "civetweb.h", "prometheus/collectable.h")

    def test_clients_know_the_contract_only(self):
        self.clean("client/client.cc", "client/connection.h", "shmemd/client.h", "vhost/shmem/v1/inspector.grpc.pb.h")
        self.caught("client/client.cc", "server/base/clock.h", "client/shmemctl/commands.h", "client/print/table.h")
        self.clean("client/shmemctl/probe.cc", "server/frontend/prober.h", "shmemd/client.h", "client/print/table.h")
        self.caught("client/shmemctl/probe.cc", "client/connection.h")
        self.caught("client/print/table.cc", "shmemd/client.h")

    def test_installed_headers_include_installed_headers(self):
        self.clean("client/include/shmemd/client.h", "shmemd/endpoint.h", "vhost/shmem/v1/inspector.pb.h", "grpcpp/channel.h")
        self.caught("client/include/shmemd/client.h", "client/connection.h", "server/base/clock.h")
        self.caught("client/shmemctl/probe.cc", "server/api/server.h")

    def test_peers_share_nothing_with_the_server(self):
        self.caught("tests/peers/demo_backend.cc", "server/base/unique_fd.h")
        self.clean("tests/peers/demo_backend.cc", "tests/peers/script.h", "sys/socket.h")

    def test_a_folder_without_a_rule_is_a_violation(self):
        self.caught("server/bridge/bridge.cc", "server/base/clock.h")

    def test_long_files_and_empty_names(self):
        self.assertEqual(len(violations_of({"server/base/long.cc": "\n" * 501})), 1)
        self.assertEqual(violations_of({"server/base/long.cc": "\n" * 500}), [])
        self.assertEqual(len(violations_of({"server/state/a.h": "class RegionManager {};\nstruct TableImpl;\n"})), 2)
        self.assertEqual(violations_of({"server/state/a.h": "class Utilisation;\n"}), [])


class LinkTest(unittest.TestCase):
    def test_planted_library_is_caught(self):
        found = "\n".join(check_link.check(NM, [PLANTED]))
        self.assertIn("uses google::protobuf::MessageLite::SerializeAsString", found)
        self.assertIn("uses grpc_is_initialized", found)

    def test_our_own_names_are_not_foreign(self):
        for name in ("shmemd::metrics::prometheus::Render()", "gpresult", "std::vector<int>::size()"):
            self.assertIsNone(check_link.FOREIGN.search(name), name)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
