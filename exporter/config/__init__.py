"""The configuration: schema, loading from flags, environment and file, and reload."""

from exporter.config.errors import ConfigError
from exporter.config.load import ENVIRONMENT, ConfigLoader, load
from exporter.config.schema import Config, Setting, TestSelector, settings

__all__ = [
    "ENVIRONMENT",
    "Config",
    "ConfigError",
    "ConfigLoader",
    "Setting",
    "TestSelector",
    "load",
    "settings",
]
