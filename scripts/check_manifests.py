#!/usr/bin/env python3
"""Checks everything below a folder that kustomize builds, offline.

usage: check_manifests.py FOLDER [--bin-dir DIR]    prints what is wrong, exits 1 when something is

Each kustomization is built as a cluster gets it. Then: the schemas of the oldest Kubernetes that we support and of a
recent one, unknown fields refused; the Restricted Pod Security Standard; whatever is named exists; what we ask of
manifests beyond that; and, with --bin-dir, that the programs take their arguments, which they are asked themselves.
A line of output names file, object, path and rule.
"""

import argparse
import contextlib
import os
import sys
import tempfile
from pathlib import Path

from k8s import arguments, conventions, manifests, pod_security, references, schemas

sys.path.insert(0, str(manifests.ROOT / "tests" / "interop"))

RULES = (schemas.problems, pod_security.problems, references.problems, conventions.problems)


def object_problems(objects, programs=None, secrets=None):
    """Everything that is wrong with the objects of one build."""
    found = list(schemas.problems(objects))
    # What has not even the right form is not looked at any further.
    for rule in RULES[1:] if not found else ():
        found += rule(objects)
    if programs and not found:
        found += arguments.problems(objects, programs, secrets)
    return found


def unreached(folder):
    """A file that no kustomization beside it names was never looked at, and a component that nobody uses neither."""
    found = dict(manifests.kustomizations(folder))
    named = {
        (path / name).resolve()
        for path, kustomization in found.items()
        for name in manifests.named_by(kustomization)
    }
    for path, kustomization in found.items():
        for file in sorted(path.glob("*.yaml")):
            if file.name != "kustomization.yaml" and file.resolve() not in named:
                yield manifests.Problem(relative(file), "", "unused", "no kustomization names it")
        if kustomization.get("kind") == "Component" and path.resolve() not in named:
            yield manifests.Problem(relative(path), "", "unused", "no kustomization uses this component")


def other_versions():
    """Where else the version stands."""
    if f"ARG VERSION={manifests.version()}\n" not in (manifests.ROOT / "Dockerfile").read_text():
        yield manifests.Problem("Dockerfile", "ARG VERSION", "image", f"is not {manifests.version()}")


def relative(path):
    return os.path.relpath(path, manifests.ROOT)


@contextlib.contextmanager
def made_secrets():
    """The Secrets that certificates are in, made here: {name: {key: path}}."""
    from certificates import Authority  # pylint: disable=import-outside-toplevel

    with tempfile.TemporaryDirectory(prefix="certificates-") as work:
        authority = Authority(work)
        server = authority.server()
        yield {
            "shmemd-tls": {
                "tls.crt": server.certificate,
                "tls.key": server.key,
                "ca.crt": authority.certificate,
            }
        }


def check(folder, programs):
    found = [*unreached(folder), *other_versions()]
    built = 0
    with made_secrets() as secrets:
        for path, kustomization in manifests.kustomizations(folder):
            if kustomization.get("kind") == "Component":
                continue
            try:
                found += object_problems(manifests.build(path), programs, secrets)
                built += 1
            except manifests.BuildFailed as failure:
                found.append(manifests.Problem(relative(path), "kustomization.yaml", "build", str(failure)))
    return found, built


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--bin-dir", type=Path)
    options = parser.parse_args()
    found, built = check(options.folder, options.bin_dir)
    if not built and not found:
        sys.exit(f"{options.folder}: no kustomization there")
    print(
        "\n".join(map(str, found))
        or f"{options.folder}: {built} kustomizations, valid for Kubernetes {' and '.join(schemas.VERSIONS)}"
    )
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
