#!/usr/bin/env python3
"""buf_curl_test.py BUF BIN_DIR: does `buf curl` list and call what a server of ours serves on a Unix socket?

Starts BIN_DIR/api-test-server and asks it through reflection, as somebody without the proto files would. Ends with 77
(skipped) where there is no BUF.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

EXPECTED_METHODS = {
    "grpc.health.v1.Health/Check",
    "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    "vhost.shmem.v1.ShmemAdmin/ProbeBackend",
    "vhost.shmem.v1.ShmemAdmin/RefreshBackend",
    "vhost.shmem.v1.ShmemInspector/GetServerInfo",
    "vhost.shmem.v1.ShmemInspector/ListMappings",
    "vhost.shmem.v1.ShmemInspector/ListRegions",
}


def buf_curl(buf, socket, *arguments):
    command = [buf, "curl", "--protocol", "grpc", "--http2-prior-knowledge", "--unix-socket", str(socket), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def check(buf, socket):
    methods = set(buf_curl(buf, socket, "--list-methods", "http://localhost").split())
    missing = EXPECTED_METHODS - methods
    assert not missing, f"not listed: {sorted(missing)}"

    url = "http://localhost/vhost.shmem.v1.ShmemInspector/"
    regions = json.loads(buf_curl(buf, socket, "-d", "{}", url + "ListRegions"))["regions"]
    assert [region["shmid"] for region in regions] == [0, 2, 5], regions
    assert regions[0]["mappedBytes"] == "0", "a zero is not printed"
    assert regions[1]["mappedBytes"] == "16384", regions[1]
    mappings = json.loads(buf_curl(buf, socket, "-d", "{}", url + "ListMappings"))["mappings"]
    assert [mapping["name"] for mapping in mappings] == ["backends/gpu0/regions/2/mappings/0x10000"], mappings


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    buf, bin_dir = sys.argv[1], pathlib.Path(sys.argv[2])
    if not pathlib.Path(buf).exists():
        print(f"skipped: no {buf}")
        sys.exit(77)
    with tempfile.TemporaryDirectory(prefix="shmemd-buf-") as directory:
        socket = pathlib.Path(directory) / "api.sock"
        server = subprocess.Popen(
            [bin_dir / "api-test-server", socket, pathlib.Path(directory) / "admin.sock"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout.readline() == "ready\n", "the server did not start"
            check(buf, socket)
        finally:
            server.stdin.close()
            code = server.wait(timeout=60)
        assert code == 0, f"the server ended with {code}"
    print("buf curl lists and calls everything")


if __name__ == "__main__":
    main()
