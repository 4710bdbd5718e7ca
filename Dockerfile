# syntax=docker/dockerfile:1
# Two stages: what installs stays behind. The result runs as a number, needs no writable file and no capability.
FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements.txt ./
RUN python -m venv /opt/app && /opt/app/bin/pip install --no-cache-dir --require-hashes -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY exporter exporter
# --no-deps: what the lock names is already there; hatchling only packs the source.
RUN /opt/app/bin/pip install --no-cache-dir --no-deps . && /opt/app/bin/pip uninstall --yes pip

FROM python:3.13-slim
ARG REVISION=unknown
LABEL org.opencontainers.image.title="k6-cloud-exporter" \
      org.opencontainers.image.description="The state of Grafana Cloud k6 test runs as Prometheus metrics" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"
ENV PATH=/opt/app/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    K6_CLOUD_EXPORTER_REVISION=${REVISION}
COPY --from=build /opt/app /opt/app
USER 10001:10001
EXPOSE 10565
STOPSIGNAL SIGTERM
# Over TLS if the web configuration says so; it is this very container, so its certificate proves nothing.
HEALTHCHECK --interval=30s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import ssl, urllib.request as web\nhere = '127.0.0.1:10565/-/healthy'\ntry:\n    web.urlopen('http://' + here, timeout=1)\nexcept Exception:\n    web.urlopen('https://' + here, timeout=1, context=ssl._create_unverified_context())"]
ENTRYPOINT ["k6-cloud-exporter"]
