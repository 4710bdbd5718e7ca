"""Polling k6 Cloud and serving metrics until the process receives a signal."""

import gc
import logging
import platform
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from exporter import __version__, logs
from exporter.app import create_exporter
from exporter.clock import Clock
from exporter.commands.configuration import REVISION, config_reader, read_or_exit
from exporter.commands.process import bind_or_exit, load_web_config_or_exit, run_async
from exporter.config import Config
from exporter.config.reload import Read
from exporter.credentials import Secret
from exporter.web.server import Endpoint, base_url, bound_address, serve_endpoints

if TYPE_CHECKING:
    from exporter.web.security import WebConfigMiddleware

log = logging.getLogger(__name__)


def serve_until_signal(**flags: Any) -> None:
    """Serve the exporter of these flags. Prints every error and exits with 2 if it cannot be started."""
    read = config_reader(**flags)
    config, token = read_or_exit(read)
    # Before the socket: the port never opens without the protection that the file describes.
    middleware = load_web_config_or_exit(config)
    listening = bind_or_exit(config.web.listen_address)
    run_async(serve_exporter(config, token, listening, read=read, middleware=middleware))


async def serve_exporter(
    config: Config,
    token: Secret,
    listening: Sequence[socket.socket],
    *others: Endpoint,
    read: Read | None = None,
    middleware: "WebConfigMiddleware | None" = None,
    clock: Clock | None = None,
) -> None:
    """Serve an exporter, and other endpoints beside it, until the process receives a signal to end.

    `read` enables reloads of the configuration; `middleware` enforces the web configuration.
    """
    async with (
        create_exporter(config, token, revision=REVISION, read=read, clock=clock) as exporter,
        exporter.keep_pages_fresh(),
    ):
        logs.write_in_background(exporter.self_metrics.log_lines_dropped.inc)
        # What is loaded by now is never garbage. Full collections, which delay scrapes, need not look at it.
        gc.freeze()
        log.info("starting", extra=describe_start(config))
        exporter.scheduler.start()
        is_tls = middleware is not None and middleware.tls() is not None
        for one in listening:
            addresses = {"url": base_url(one, is_tls=is_tls), "address": bound_address(one)}
            log.info("listening", extra={**addresses, "version": __version__})
        try:
            if middleware is None:
                await serve_endpoints(Endpoint(exporter.web, listening), *others, reload=exporter.reload)
            else:
                from exporter.web.security import is_health_check, is_public_path  # noqa: PLC0415 (few need it)

                async with middleware.watch(exporter.self_metrics.web_reload_successful.set):
                    # k6 Cloud can send neither a password nor a certificate; the webhook has its own secret.
                    is_open = is_public_path if config.web.webhook_secret_file else is_health_check
                    site = Endpoint(middleware.wrap(exporter.web, is_open), listening, middleware.tls)
                    await serve_endpoints(site, *others, reload=exporter.reload)
        finally:
            log.info("shutting down")


def describe_start(config: Config) -> dict[str, object]:
    """The fields of the first log line: what a reader of the log needs to know first."""
    shard = f"{config.sharding.shard} of {config.sharding.total}"
    return {
        "version": __version__,
        "revision": REVISION,
        "python": platform.python_version(),
        "api": config.api.effective_version,
        **({"shard": shard} if config.sharding.total > 1 else {}),
    }
