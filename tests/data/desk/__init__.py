"""One small application, the same in every ASGI framework, and others of single ones (tests/conformance/asgi_apps)."""
