# syntax=docker/dockerfile:1
# Two stages, so that no build tools are in the final image. It runs as a numeric user, read-only and without
# capabilities.
FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements.txt requirements-build.txt ./
RUN python -m venv --without-pip /opt/app \
    && pip --python /opt/app install --no-compile --no-deps --require-hashes -r requirements.txt \
    && pip --python /opt/app check \
    && pip install --no-deps --require-hashes -r requirements-build.txt \
    && pip check
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY exporter exporter
# --no-deps: the locked dependencies are already installed. Unchecked hashes: file times are rounded in image layers,
# and Python would recompile bytecode that looks older than its source at each start. The directory bin: without the
# scripts of dependencies and of venv.
RUN hatchling build --target wheel && pip --python /opt/app install --no-compile --no-deps dist/*.whl \
    && mkdir /opt/bin && mv /opt/app/bin/python* /opt/app/bin/k6-cloud-exporter /opt/bin \
    && rm -r /opt/app/bin && mv /opt/bin /opt/app \
    && python -m compileall -q --invalidation-mode unchecked-hash /opt/app/lib

FROM python:3.13-slim
# ensurepip has a copy of pip. The standard library comes without bytecode, and the root file system is read-only at run
# time.
RUN pip uninstall --quiet --yes --root-user-action=ignore pip \
    && stdlib="$(python -c "import sysconfig; print(sysconfig.get_path('stdlib'))")" \
    && rm -rf "$stdlib/ensurepip" /usr/local/bin/idle* /usr/local/bin/pydoc* \
    && python -m compileall -q --invalidation-mode unchecked-hash \
        -x "/(idlelib|lib2to3|pydoc_data|.*-packages|tests?|tkinter)/" "$stdlib"
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="k6-cloud-exporter" \
      org.opencontainers.image.description="Prometheus exporter for Grafana Cloud k6 test runs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/k6-cloud-exporter/k6-cloud-exporter" \
      org.opencontainers.image.url="https://github.com/k6-cloud-exporter/k6-cloud-exporter" \
      org.opencontainers.image.documentation="https://github.com/k6-cloud-exporter/k6-cloud-exporter/blob/main/docs/README.md" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
# A fixed threshold makes glibc return large responses to the system; the dynamic one keeps up to 32 MiB.
ENV PATH=/opt/app/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MALLOC_MMAP_THRESHOLD_=131072 \
    K6_CLOUD_EXPORTER_REVISION=${REVISION}
COPY --from=build /opt/app /opt/app
USER 10001:10001
EXPOSE 10565
STOPSIGNAL SIGTERM
# http.client, since urllib would use a proxy. HTTP first, then TLS, since the web config can enable it. The
# certificate is not verified: the connection does not leave the container.
HEALTHCHECK --interval=30s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import http.client as h, ssl\nfor c in h.HTTPConnection('127.0.0.1', 10565, timeout=1), h.HTTPSConnection('127.0.0.1', 10565, timeout=1, context=ssl._create_unverified_context()):\n    try:\n        c.request('GET', '/-/healthy')\n        raise SystemExit(c.getresponse().status != 200)\n    except (OSError, h.HTTPException):\n        pass\nraise SystemExit(1)"]
ENTRYPOINT ["k6-cloud-exporter"]
