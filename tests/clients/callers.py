"""Four clients that others would use, behind one call: grpcurl, buf curl, Python's grpcio and our own library.

Each takes a request as JSON and gives what it got as an Answer, in the JSON mapping of proto3, so that the answers
of all can be compared. All but our own learn the services by reflection, as somebody without the proto files.
"""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

DEADLINE_S = 30

CODES = [
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
]


def run_with_grpcio(main: Callable[[Path, Path], int], *needed: str) -> int:
    """main(TOOLS_BIN, BIN_DIR) of the command line, under the Python that has grpcio; 77 where a tool is missing."""
    if len(sys.argv) != 3:
        sys.exit(sys.modules["__main__"].__doc__)
    tools = Path(sys.argv[1])
    python = tools / "python-grpcio"
    missing = [name for name in (*needed, python.name) if not (tools / name).exists()]
    if missing:
        print(f"skipped: no {' and '.join(missing)} in {tools}")
        return 77
    if "SHMEMD_GRPCIO" not in os.environ:
        os.execve(python, [str(python), "-B", *sys.argv], os.environ | {"SHMEMD_GRPCIO": "1"})
    return main(tools, Path(sys.argv[2]))


@dataclass
class Endpoint:
    """Where to call. A socket, or an address; with TLS where there is a certificate."""

    name: str
    socket: Path | None = None
    address: str = ""
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    @property
    def tls(self) -> bool:
        return self.certificate is not None


@dataclass
class Answer:
    code: str
    reason: str = ""
    message: str = ""
    messages: list[dict] = field(default_factory=list)


# Ends a stream: whether nothing more of it is wanted.
Enough = Callable[[dict], bool]


def never(_: dict) -> bool:
    return False


def run(command: list[str], enough: Enough, request: str | None = None) -> tuple[list[dict], str, int]:
    """The JSON documents that a program prints, as far as they are wanted; its errors; how it ended."""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        if request is not None:
            child.stdin.write(request)
        child.stdin.close()
        documents, text = [], ""
        decoder = json.JSONDecoder()
        for line in child.stdout:
            text = (text + line).lstrip()
            try:
                document, end = decoder.raw_decode(text)
            except json.JSONDecodeError:
                continue
            documents.append(document)
            text = text[end:]
            if enough(document):
                child.kill()
                return documents, "", 0
        errors = child.stderr.read()
        return documents, errors, child.wait(timeout=DEADLINE_S)


def status_of(errors: str) -> dict:
    if "{" not in errors:
        raise RuntimeError(f"expected an error in JSON, got {errors!r}")
    return json.loads(errors[errors.index("{") :])


def error_info(details: list[dict]) -> str:
    for detail in details:
        if detail.get("@type", "").endswith("google.rpc.ErrorInfo"):
            return detail["reason"]
    return ""


class Grpcurl:
    name = "grpcurl"

    def __init__(self, program: Path):
        self._program = str(program)

    def call(self, endpoint: Endpoint, method: str, request: dict, enough: Enough) -> Answer:
        command = [self._program, "-format-error", "-max-time", str(DEADLINE_S), "-d", json.dumps(request)]
        if endpoint.tls:
            command += ["-cacert", str(endpoint.ca), "-cert", str(endpoint.certificate), "-key", str(endpoint.key)]
        else:
            command += ["-plaintext"]
        target = [str(endpoint.socket)] if endpoint.socket else [endpoint.address]
        command += ["-unix"] if endpoint.socket else []
        messages, errors, code = run([*command, *target, method], enough)
        if code == 0:
            return Answer("OK", messages=messages)
        status = status_of(errors)
        return Answer(CODES[status["code"]], error_info(status.get("details", [])), status.get("message", ""), messages)


class BufCurl:
    name = "buf curl"

    def __init__(self, program: Path):
        self._program = str(program)

    def call(self, endpoint: Endpoint, method: str, request: dict, enough: Enough) -> Answer:
        command = [self._program, "curl", "--protocol", "grpc", "--http2-prior-knowledge", "-d", json.dumps(request)]
        if endpoint.tls:
            command.remove("--http2-prior-knowledge")
            command += ["--cacert", str(endpoint.ca), "--cert", str(endpoint.certificate), "--key", str(endpoint.key)]
        if endpoint.socket:
            command += ["--unix-socket", str(endpoint.socket)]
        host = "localhost" if endpoint.socket else endpoint.address
        url = f"{'https' if endpoint.tls else 'http'}://{host}/{method}"
        messages, errors, code = run([*command, url], enough)
        if code == 0:
            return Answer("OK", messages=messages)
        status = status_of(errors)
        reasons = [reason_in(detail) for detail in status.get("details", [])]
        code = "CANCELLED" if status["code"] == "canceled" else status["code"].upper()
        return Answer(code, next(filter(None, reasons), ""), status.get("message", ""), messages)


# A detail as the Connect protocol has it: the bytes of a message.
def reason_in(detail: dict) -> str:
    from google.rpc import error_details_pb2

    if detail["type"] != "google.rpc.ErrorInfo":
        return ""
    value = base64.b64decode(detail["value"] + "=" * (-len(detail["value"]) % 4))
    return error_details_pb2.ErrorInfo.FromString(value).reason


class Grpcio:
    name = "grpcio"

    def __init__(self):
        # Not in Debian's python3: whoever runs this has a venv with it.
        import grpc
        from google.protobuf import any_pb2, descriptor_pool, json_format, message_factory
        from grpc_reflection.v1alpha import proto_reflection_descriptor_database as reflection

        self._grpc, self._any, self._json = grpc, any_pb2.Any, json_format
        self._pool, self._factory, self._reflection = descriptor_pool, message_factory, reflection
        self._channels: dict[str, object] = {}
        self._pools: dict[str, object] = {}

    def _channel(self, endpoint: Endpoint):
        if endpoint.name not in self._channels:
            target = f"unix:{endpoint.socket}" if endpoint.socket else endpoint.address
            # Each endpoint is a connection of its own, also to the same address.
            options = [("grpc.use_local_subchannel_pool", 1)]
            if endpoint.tls:
                files = (endpoint.ca, endpoint.key, endpoint.certificate)
                credentials = self._grpc.ssl_channel_credentials(*(file.read_bytes() for file in files))
                self._channels[endpoint.name] = self._grpc.secure_channel(target, credentials, options)
            else:
                self._channels[endpoint.name] = self._grpc.insecure_channel(target, options)
        return self._channels[endpoint.name]

    def _open(self, endpoint: Endpoint) -> tuple:
        channel = self._channel(endpoint)
        if endpoint.name not in self._pools:
            database = self._reflection.ProtoReflectionDescriptorDatabase(channel)
            self._pools[endpoint.name] = self._pool.DescriptorPool(database)
        return channel, self._pools[endpoint.name]

    def open(self, endpoint: Endpoint, method: str, request: dict) -> "GrpcioAnswers":
        """Begins a call; its answers come when they are asked for."""
        channel, pool = self._open(endpoint)
        service, name = method.split("/")
        found = pool.FindServiceByName(service).FindMethodByName(name)
        message = self._json.ParseDict(request, self._factory.GetMessageClass(found.input_type)())
        return self._begin(channel, found, method, message.SerializeToString())

    def _begin(self, channel, found, method: str, request: bytes) -> "GrpcioAnswers":
        invoke = channel.unary_stream(
            f"/{method}", response_deserializer=self._factory.GetMessageClass(found.output_type).FromString
        )
        return GrpcioAnswers(invoke(request, timeout=DEADLINE_S), self)

    def call(self, endpoint: Endpoint, method: str, request: dict, enough: Enough) -> Answer:
        return self.open(endpoint, method, request).rest(enough)

    def call_bytes(self, endpoint: Endpoint, method: str, request: bytes) -> Answer:
        """With bytes that need not be a message."""
        channel, pool = self._open(endpoint)
        service, name = method.split("/")
        found = pool.FindServiceByName(service).FindMethodByName(name)
        return self._begin(channel, found, method, request).rest()

    def call_known(self, endpoint: Endpoint, method: str) -> Answer:
        """With an empty request, by a name that need not be looked up: reflection may be refused, too."""
        invoke = self._channel(endpoint).unary_stream(f"/{method}", response_deserializer=bytes)
        return GrpcioAnswers(invoke(b"", timeout=DEADLINE_S), self).rest()

    def to_dict(self, message) -> dict:
        return {} if isinstance(message, bytes) else self._json.MessageToDict(message)

    @property
    def error(self) -> type:
        return self._grpc.RpcError

    def answer_of(self, error, messages: list[dict]) -> Answer:
        return Answer(error.code().name, self.reason_of(error), error.details(), messages)

    # Of the ErrorInfo among the details.
    def reason_of(self, error) -> str:
        from google.rpc import error_details_pb2, status_pb2

        for key, value in error.trailing_metadata() or ():
            if key != "grpc-status-details-bin":
                continue
            for detail in status_pb2.Status.FromString(value).details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info):
                    return info.reason
        return ""

    def close(self) -> None:
        for channel in self._channels.values():
            channel.close()


class GrpcioAnswers:
    """Of one call, one after the other."""

    def __init__(self, stream, client: Grpcio):
        self._stream, self._client = stream, client

    def __iter__(self):
        return self

    def __next__(self) -> dict:
        return self._client.to_dict(next(self._stream))

    def cancel(self) -> None:
        self._stream.cancel()

    def first(self) -> Answer:
        """Whether it begins with a message."""
        try:
            return Answer("OK", messages=[next(self)])
        except self._client.error as error:
            return self._client.answer_of(error, [])

    def rest(self, enough: Enough = never) -> Answer:
        """What follows, and how the call ended."""
        messages = []
        try:
            for message in self:
                messages.append(message)
                if enough(message):
                    self.cancel()
                    break
        except self._client.error as error:
            return self._client.answer_of(error, messages)
        return Answer("OK", messages=messages)


class OwnLibrary:
    name = "own"

    def __init__(self, program: Path):
        self._program = str(program)

    def call(self, endpoint: Endpoint, method: str, request: dict, enough: Enough) -> Answer:
        command = [self._program, f"unix:{endpoint.socket}" if endpoint.socket else endpoint.address]
        if endpoint.tls:
            command += ["--ca", str(endpoint.ca), "--cert", str(endpoint.certificate), "--key", str(endpoint.key)]
        messages, errors, code = run([*command, method, json.dumps(request)], enough)
        if code == 0:
            return Answer("OK", messages=messages)
        status = status_of(errors)
        return Answer(status["code"], status.get("reason", ""), status.get("message", ""), messages)
