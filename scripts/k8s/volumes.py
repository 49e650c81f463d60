"""The volumes of a pod as folders of this machine, and the paths in arguments and files that lead there."""

import re
import shutil


class Volumes:
    """One folder for each volume. Files of ConfigMaps have their paths rebased, since programs of a build run without
    a root of their own; not with rebase=False."""

    def __init__(self, workload, objects, folder, secrets=None, rebase=True):
        """`secrets`: {name: {key: path of a file}} for those that are not among the objects."""
        self._pod, self._rebases = workload.pod, rebase
        self.folders = {}
        for volume in workload.pod.get("volumes") or []:
            path = folder / volume["name"]
            path.mkdir(parents=True)
            self.folders[volume["name"]] = path
        for volume in workload.pod.get("volumes") or []:
            self._fill(volume, objects, secrets or {})

    def _fill(self, volume, objects, secrets):
        path = self.folders[volume["name"]]
        config = (volume.get("configMap") or {}).get("name")
        for thing in objects:
            if thing.kind == "ConfigMap" and thing.name == config:
                for key, text in (thing.document.get("data") or {}).items():
                    (path / key).write_text(self._in_all_containers(text))
        for key, file in secrets.get((volume.get("secret") or {}).get("secretName"), {}).items():
            shutil.copy(file, path / key)

    def _in_all_containers(self, text):
        """Paths in a file: each mount path means the same folder in all containers of our pods."""
        mounts = {}
        for key in ("initContainers", "containers"):
            for container in self._pod.get(key) or []:
                mounts.update(
                    {mount["mountPath"]: mount["name"] for mount in container.get("volumeMounts") or []}
                )
        return self._replace(text, mounts)

    def rebase(self, container, text):
        """An argument of a container."""
        return self._replace(
            text, {mount["mountPath"]: mount["name"] for mount in container.get("volumeMounts") or []}
        )

    def _replace(self, text, mounts):
        if not self._rebases or not mounts:
            return text
        paths = "|".join(re.escape(path) for path in sorted(mounts, key=len, reverse=True))
        return re.sub(rf"({paths})(?![\w.-])", lambda match: str(self.folders[mounts[match[1]]]), text)
