"""What can go wrong before a request is served, each with the one line that says so."""


class ConfigError(ValueError):
    """An option that is unknown, out of range, or not in this version. The command exits with 2."""


class ClientDisconnectedError(OSError):
    """What send() of an ASGI application raises once its client has gone."""


class StartError(RuntimeError):
    """An address or an application that cannot be served. The command exits with 3."""


class ApplicationError(StartError):
    """The application's own code failed while it was loaded; ``__cause__`` is what it raised."""
