"""The faces of an application: what servers of ASGI, WSGI and RSGI call, each over the same core."""
