"""Does each object keep the schema of its kind, with no field that the schema does not know?"""

import functools

import jsonschema
import kubernetes_validate
import kubernetes_validate.utils
import yaml

from k8s import manifests

# It reads megabytes for each object otherwise.
kubernetes_validate.utils.schema_contents = functools.cache(kubernetes_validate.utils.schema_contents)

# Annotation of an object that needs a newer Kubernetes than the rest.
NEEDS = "shmem.vhost/kubernetes"
VERSIONS = ("1.29", "1.37")  # native sidecars are on by default since 1.29
SCHEMAS = manifests.ROOT / "scripts" / "k8s" / "schemas"


def problems(objects):
    for thing in objects:
        group = thing.document.get("apiVersion", "").partition("/")[0]
        custom = _custom_schemas().get(group)
        yield from _custom_problems(thing, custom) if custom else _kubernetes_problems(thing)


def _kubernetes_problems(thing):
    for version in _versions_for(thing):
        try:
            kubernetes_validate.validate(thing.document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield thing.problem(_path(error), f"schema of Kubernetes {version}", error.message)
        except kubernetes_validate.SchemaNotFoundError:
            kind = f"{thing.document.get('apiVersion')} {thing.kind}"
            yield thing.problem("kind", f"schema of Kubernetes {version}", f"no such kind: {kind}")


def _versions_for(thing):
    oldest = thing.document["metadata"].get("annotations", {}).get(NEEDS, VERSIONS[0])
    return dict.fromkeys((oldest, VERSIONS[-1]))


def _custom_problems(thing, kinds):
    kind = f"{thing.document['apiVersion']} {thing.kind}"
    if kind not in kinds:
        yield thing.problem("kind", "schema of the custom resource", f"no such kind: {kind}")
        return
    for error in jsonschema.Draft202012Validator(kinds[kind]).iter_errors(thing.document):
        yield thing.problem(_path(error), "schema of the custom resource", error.message)


def _path(error):
    return "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path
    ).lstrip(".")


@functools.cache
def _custom_schemas():
    """{API group: {"apiVersion kind": schema}}"""
    return {
        file.stem: {kind: _closed(schema) for kind, schema in yaml.safe_load(file.read_text()).items()}
        for file in SCHEMAS.glob("*.yaml")
    }


def _closed(schema):
    """Every object of the schema takes the properties that it names and no others."""
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict):
        closed.setdefault("type", "object")
        closed.setdefault("additionalProperties", False)
    return closed
