# syntax=docker/dockerfile:1
# Two stages: what installs stays behind. The result runs as a number, needs no writable file and no capability.
FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements.txt requirements-build.txt ./
RUN python -m venv --without-pip /opt/app \
    && pip --python /opt/app install --no-compile --no-deps --require-hashes -r requirements.txt \
    && pip --python /opt/app check \
    && pip install --no-deps --require-hashes -r requirements-build.txt
COPY pyproject.toml README.md LICENSE ./
COPY exporter exporter
# --no-deps: what the lock names is already there. Unchecked, for times of files are rounded on their way into a layer,
# and bytecode that seems older than its source is made anew at each start.
RUN hatchling build --target wheel && pip --python /opt/app install --no-compile --no-deps dist/*.whl \
    && python -m compileall -q --invalidation-mode unchecked-hash /opt/app/lib

FROM python:3.13-slim
# Python's own library comes without bytecode, and nothing can be written later.
RUN pip uninstall --quiet --yes --root-user-action=ignore pip \
    && python -m compileall -q -x "/(ensurepip|idlelib|lib2to3|pydoc_data|.*-packages|tests?|tkinter)/" \
        "$(python -c "import sysconfig; print(sysconfig.get_path('stdlib'))")"
ARG REVISION=unknown
LABEL org.opencontainers.image.title="k6-cloud-exporter" \
      org.opencontainers.image.description="The state of Grafana Cloud k6 test runs as Prometheus metrics" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"
# glibc would go on to keep what a page leaves behind, up to 32 MiB at a time.
ENV PATH=/opt/app/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MALLOC_MMAP_THRESHOLD_=131072 \
    K6_CLOUD_EXPORTER_REVISION=${REVISION}
COPY --from=build /opt/app /opt/app
USER 10001:10001
EXPOSE 10565
STOPSIGNAL SIGTERM
# http.client, for urllib would ask a proxy. Over TLS if the web configuration says so; it is this very container,
# so its certificate proves nothing.
HEALTHCHECK --interval=30s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import http.client as h, ssl\nfor c in h.HTTPConnection('127.0.0.1', 10565, timeout=1), h.HTTPSConnection('127.0.0.1', 10565, timeout=1, context=ssl._create_unverified_context()):\n    try:\n        c.request('GET', '/-/healthy')\n        raise SystemExit(c.getresponse().status != 200)\n    except (OSError, h.HTTPException):\n        pass\nraise SystemExit(1)"]
ENTRYPOINT ["k6-cloud-exporter"]
