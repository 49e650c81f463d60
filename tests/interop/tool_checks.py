"""shmemd as other people's tools see it: grpcurl by reflection, promtool on a scrape."""

import json
import re
import subprocess

import tools
from bench import GOOD_STEP, KIB, MIB, SPARSE, Bench
from peers import CheckFailed, expect


def grpcurl_lists_and_describes_every_service(bench: Bench) -> None:
    with bench.grpcurl(SPARSE) as call:
        listed = succeeded(call("list")).split()
        wanted = {"vhost.shmem.v1.ShmemInspector", "vhost.shmem.v1.ShmemAdmin", "grpc.health.v1.Health"}
        expect("services missing in the list", wanted - set(listed), set())
        expect("a reflection service is listed", any(".reflection." in name for name in listed), True)
        for service in listed:
            expect(
                f"describe {service}", f"{service} is a service" in succeeded(call("describe", service)), True
            )


def grpcurl_prints_zeros(bench: Bench) -> None:
    with bench.grpcurl(SPARSE) as call:
        result = call("vhost.shmem.v1.ShmemInspector/ListRegions", data="{}")
        regions = {region["shmid"]: region for region in json_answer(result)["regions"]}
        expect("sizes", {shmid: int(region["sizeBytes"]) for shmid, region in regions.items()}, SPARSE)
        expect('times "mappedBytes": "0" is printed', result.stdout.count('"mappedBytes": "0"'), len(SPARSE))
        expect(
            "mappingCount", [int(region["mappingCount"]) for region in regions.values()], [0] * len(SPARSE)
        )


def grpcurl_sees_what_the_backend_sent(bench: Bench) -> None:
    for sizes, meaning in (({0: MIB}, "COUNT_OR_SPAN"), (SPARSE, "COUNT"), ({255: 64 * KIB}, "COUNT")):
        with bench.grpcurl(sizes) as call:
            answer = call("vhost.shmem.v1.ShmemInspector/GetBackend", data='{"name": "backends/rust0"}')
            config = json_answer(answer)["config"]
            keys = ("reportedNumRegions", "nonzeroSizeCount", "highestShmid", "replyPayloadBytes")
            got = tuple(int(config[key]) for key in keys)
            expect(f"config of {sorted(sizes)}", got, (len(sizes), len(sizes), max(sizes), 2056))
            expect(f"meaning for {sorted(sizes)}", config["numRegionsMeaning"], meaning)


def grpcurl_asks_health(bench: Bench) -> None:
    with bench.grpcurl({}) as call:
        answer = json_answer(call("grpc.health.v1.Health/Check", data="{}"))
        expect("health", answer, {"status": "SERVING"})


def grpcurl_changes_things_on_the_admin_socket_only(bench: Bench) -> None:
    with bench.grpcurl(SPARSE) as call:
        request = {"data": '{"name": "backends/rust0"}'}
        refused = call("vhost.shmem.v1.ShmemAdmin/RefreshBackend", **request)
        expect("refused on the API socket", "PermissionDenied" in refused.stderr, True)
        succeeded(call("vhost.shmem.v1.ShmemAdmin/RefreshBackend", **request, admin=True))
        answer = json_answer(call("vhost.shmem.v1.ShmemInspector/ListRegions", data="{}"))
        expect("regions after the refresh", len(answer["regions"]), len(SPARSE))


def promtool_has_nothing_to_say(bench: Bench) -> None:
    program = tools.promtool(fetch=not bench.quick)
    with bench.pair(SPARSE) as (backend, shmemd):
        backend.accepts(GOOD_STEP)
        backend.is_refused(GOOD_STEP)
        text = shmemd.http("/metrics")
        result = subprocess.run(
            [str(program), "check", "metrics"], input=text, capture_output=True, text=True
        )
        expect("promtool", (result.stdout + result.stderr, result.returncode), ("", 0))
        expect("families in the scrape", "# TYPE vhost_shmem_mapped_bytes gauge" in text, True)


def succeeded(result: subprocess.CompletedProcess) -> str:
    if result.returncode:
        raise CheckFailed(f"{' '.join(result.args)} ended with {result.returncode}: {result.stderr.strip()}")
    return result.stdout


def json_answer(result: subprocess.CompletedProcess) -> dict:
    """grpcurl takes JSON names from the descriptors of reflection, or else prints the original ones."""
    text = succeeded(result)
    # The keys of a map are data, not field names.
    fields = re.sub(r'"evidence": \{[^}]*\}', "", text)
    original_names = sorted(set(re.findall(r'"([a-z]+_[a-z_]+)":', fields)))
    expect("field names for which reflection has no json_name", original_names, [])
    return json.loads(text)


CHECKS = [
    grpcurl_lists_and_describes_every_service,
    grpcurl_prints_zeros,
    grpcurl_sees_what_the_backend_sent,
    grpcurl_asks_health,
    grpcurl_changes_things_on_the_admin_socket_only,
    promtool_has_nothing_to_say,
]
