"""A certificate authority for checks, made by the openssl command line.

    ca = Authority(folder)
    server = ca.server()                       # for localhost, 127.0.0.1 and ::1
    client = ca.issue("reader", ["URI:spiffe://vms/readers/a"])
    shmemd(*tls_flags(ca, server), "--api-admin-listen", ":18046", "--api-admin-listen-identities", "*")
"""

import collections
import datetime
import os
import subprocess

# Paths of PEM files.
Certificate = collections.namedtuple("Certificate", "certificate key")


def _openssl(*arguments):
    run = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]}: {run.stderr.strip()}")


def _utc(seconds):
    """Seconds from now, as `openssl ca` reads a time."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return (now + datetime.timedelta(seconds=seconds)).strftime("%Y%m%d%H%M%SZ")


class Authority:
    """Files in `folder`; `certificate` is what servers and clients trust."""

    def __init__(self, folder, name="test CA"):
        self.folder = os.path.abspath(folder)
        os.makedirs(self.folder, exist_ok=True)
        self.certificate = self._path("ca.pem")
        self._key = self._path("ca.key")
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 2,
                 "-subj", f"/CN={name}", "-keyout", self._key, "-out", self.certificate)
        with open(self._path("index"), "w", encoding="ascii"):
            pass

    def _path(self, name):
        return os.path.join(self.folder, name)

    def issue(self, name, names=(), valid_from=-3600, valid_until=86400):
        """A certificate with subject alternative names as openssl writes them ("DNS:x", "URI:y", "IP:z",
        "email:e"); the times in seconds from now."""
        made = Certificate(self._path(name + ".pem"), self._path(name + ".key"))
        request, config = self._path(name + ".csr"), self._path(name + ".cnf")
        _openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-subj", f"/CN={name}", "-keyout", made.key, "-out", request)
        extensions = "basicConstraints = CA:FALSE\n"
        if names:
            extensions += f"subjectAltName = {','.join(names)}\n"
        with open(config, "w", encoding="utf-8") as file:
            file.write("[ca]\ndefault_ca = this\n[this]\n"
                       f"database = {self._path('index')}\nnew_certs_dir = {self.folder}\n"
                       "rand_serial = yes\ndefault_md = sha256\nunique_subject = no\npolicy = any\n"
                       "[any]\ncommonName = supplied\n"
                       f"[extensions]\n{extensions}")
        _openssl("ca", "-batch", "-notext", "-config", config, "-cert", self.certificate, "-keyfile", self._key,
                 "-in", request, "-out", made.certificate, "-extensions", "extensions",
                 "-startdate", _utc(valid_from), "-enddate", _utc(valid_until))
        return made

    def server(self, name="shmemd", **times):
        """For a server on this host."""
        return self.issue(name, ["DNS:localhost", "IP:127.0.0.1", "IP:::1"], **times)


def tls_flags(authority, server):
    """What shmemd needs to serve with this certificate those whom the authority signed."""
    return ["--tls-certificate", server.certificate, "--tls-key", server.key,
            "--tls-client-ca", authority.certificate]
