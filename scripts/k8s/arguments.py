"""Do our programs take the arguments that the manifests give them? Asks the programs themselves."""

import os
import subprocess
import tempfile
from pathlib import Path

from k8s import conventions, pod_security
from k8s.volumes import Volumes

ENTRYPOINT = ["/usr/bin/shmemd"]  # the Dockerfile's
NO_FLAG = "--no-such-flag-of-any-program"
WRONG_USAGE = 2
DEADLINE_SECONDS = 20


def problems(objects, programs, secrets=None):
    """`programs`: the folder with ours. `secrets`: as for Volumes."""
    for thing in objects:
        if not hasattr(thing, "pod"):
            continue
        with tempfile.TemporaryDirectory(prefix="arguments-") as work:
            volumes = Volumes(thing, objects, Path(work), secrets)
            for path, container in thing.containers():
                if conventions.is_ours(container):
                    yield from _container_problems(thing, path, container, volumes, programs)


def command_of(container):
    return [*container.get("command", ENTRYPOINT), *container.get("args", [])]


def _container_problems(workload, path, container, volumes, programs):
    for where, words in [(f"{path}.args", command_of(container)), *_exec_probes(path, container)]:
        program = Path(programs) / Path(words[0]).name
        if words[0] != f"/usr/bin/{program.name}" or not program.exists():
            yield workload.problem(where, "arguments", f"the image has no program {words[0]}")
            continue
        complaint = _complaint([str(program), *(volumes.rebase(container, word) for word in words[1:])])
        if complaint:
            yield workload.problem(where, "arguments", f"{program.name}: {complaint}")


def _exec_probes(path, container):
    for probe in pod_security.PROBES:
        command = ((container.get(probe) or {}).get("exec") or {}).get("command")
        if command:
            yield f"{path}.{probe}.exec.command", command


def _complaint(command):
    """What the program says against its arguments, or nothing."""
    program = Path(command[0]).name
    if program == "shmemd":
        code, text = _run([*command, "--check-config"])
        return text if code else ""
    if program == "shmemctl":
        code, text = _run(command)  # nobody is there to answer
        return text if code == WRONG_USAGE else ""
    # Those that would just start are given one wrong flag more, and may complain about nothing else.
    code, text = _run([*command, NO_FLAG])
    flags = {word for word in text.partition("\n")[0].split() if word.startswith("-")}
    return "" if code == WRONG_USAGE and flags == {NO_FLAG} else text.replace(NO_FLAG, "").strip()


def _run(command):
    environment = {**os.environ, "SHMEMD_ENDPOINT": "unix:/nonexistent/api.sock"}
    run = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    return run.returncode, run.stdout.strip()
