"""Access to the web server: TLS, basic auth, headers and a rate limit, from the web configuration file."""

from exporter.web.security.middleware import WebConfigMiddleware, is_health_check, is_public_path

__all__ = ["WebConfigMiddleware", "is_health_check", "is_public_path"]
