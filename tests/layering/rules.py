"""Who may include what: ARCHITECTURE.md's direction of dependency, as data."""

# folder -> what its files may include besides themselves: a folder, or one header where the door is that narrow.
ALLOWED = {
    # Of the command line alone; every program may use it, the peers too.
    "manual": (),
    "server/base": (),
    "server/vhost": ("server/base",),
    "server/state": ("server/base",),
    "server/net": ("server/base",),
    "server/session": ("server/base", "server/vhost", "server/state"),
    "server/feed": ("server/base", "server/state"),
    "server/relay": ("server/base", "server/vhost", "server/state", "server/net", "server/session", "server/feed"),
    "server/frontend": ("server/base", "server/vhost", "server/state", "server/net", "server/session",
                        "server/feed"),
    # Names and bit numbers of the wire, to say what was negotiated; no codec, no framing.
    "server/convert": ("server/base", "server/state", "server/vhost/names.h", "server/vhost/protocol.h", "proto"),
    # Its listeners are sockets like all others of ours.
    "server/api": ("server/base", "server/state", "server/net/unix_listener.h", "server/feed", "server/convert",
                   "server/vhost/names.h", "proto"),
    "server/metrics": ("server/base", "server/state", "server/feed", "server/vhost/names.h"),
    # Pages for people; the endpoint serves them through one interface, and both tell local names and compress.
    "server/web": ("server/base", "server/state", "server/feed", "server/convert", "server/metrics/http_site.h",
                   "server/metrics/gzip.h", "server/metrics/local_name.h", "proto"),
    "server/app": ("server", "proto", "manual"),
    # The library that others link. Headers in client/include are installed, and so include one another only.
    "client": ("client/include", "proto"),
    "client/include": ("proto",),
    # Text for people: what goes to a program goes through no printer.
    "client/print": ("proto",),
    # The command line counts as the top floor: its probe needs no daemon and runs our own front-end.
    "client/shmemctl": ("client/include", "client/print", "proto", "server/base", "server/state", "server/frontend", "server/convert", "manual"),
    # Peers share no code with the server, so that they cannot share its bugs.
    "tests/peers": ("manual",),
}

# How an include names a foreign library -> the folders that may.
FOREIGN = {
    r"grpc(pp)?/.*(?<!\.pb)\.h$|grpcpp/.*": ("server/api", "server/app", "client", "client/include"),
    r"google/protobuf/.*": ("server/convert", "server/api", "server/web", "server/app", "client", "client/include",
                            "client/print", "client/shmemctl"),
    r"zlib\.h": ("server/metrics",),
    r"prometheus/.*|civetweb\.h|CivetServer\.h": ("server/metrics", "server/app"),
    # The mutex of an uninstrumented library reports false races: base/mutex.h is ours.
    r"absl/synchronization/.*": (),
}

# How includes of installed headers begin -> where they lie.
ROOTS = {"shmemd/": "client/include/shmemd/"}

MAX_LINES = 500
FORBIDDEN_SUFFIX = r"(?:Impl|Manager|Helper|Helpers|Util|Utils)"
