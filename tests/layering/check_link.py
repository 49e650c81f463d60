#!/usr/bin/env python3
"""Checks that static libraries use nothing of gRPC, protobuf, prometheus-cpp or civetweb.

usage: check_link.py NM ARCHIVE...    prints one line per symbol, exits 1 when there is any
"""
import re
import subprocess
import sys
from pathlib import Path

# C++ names anywhere in a signature, C names as a whole.
FOREIGN = re.compile(r"(?<![\w:])(?:grpc|grpc_core|grpc_impl|google::protobuf|google::rpc|prometheus)::\w"
                     r"|^(?:grpc_|gpr_|upb_|mg_)\w|^CivetServer::")


def symbols(nm, archive):
    output = subprocess.run([nm, "--demangle", "--no-sort", archive], check=True, capture_output=True, text=True).stdout
    for line in output.splitlines():
        # "ADDRESS TYPE NAME", without an address where the symbol is undefined.
        found = re.match(r"^(?:[0-9a-f]+)?\s+([A-Za-z])\s(.+)$", line)
        if found:
            yield found[2]


def check(nm, archives):
    return [f"{Path(archive).name}: uses {symbol}"
            for archive in archives
            for symbol in sorted(set(symbols(nm, archive))) if FOREIGN.search(symbol)]


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    violations = check(sys.argv[1], sys.argv[2:])
    print("\n".join(violations) or f"link: {len(sys.argv) - 2} libraries are free of the foreign ones")
    sys.exit(1 if violations else 0)


if __name__ == "__main__":
    main()
