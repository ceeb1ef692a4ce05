# Our processes and the command line, one entry point a role: docker run IMAGE worker.
# Built by `make images`, from the project's folder. docs/operations/containers.md says how to run it.
ARG BASE=python:3.11.14-slim-bookworm

FROM ${BASE} AS build
# A company's mirror: each is passed only where it is set.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_CERT
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONHASHSEED=0
WORKDIR /build
# `tools` builds, /opt/outbox is what stays: it has no pip.
RUN python3 -m venv tools && python3 -m venv --without-pip /opt/outbox
COPY requirements.lock ./
RUN tools/bin/pip --python /opt/outbox/bin/python install --quiet --no-compile --no-deps \
    --only-binary :all: --require-hashes --requirement requirements.lock
COPY infra/images/build-outbox.lock ./
RUN tools/bin/pip install --quiet --no-deps --require-hashes --requirement build-outbox.lock
COPY pyproject.toml README.md ./
COPY connectors connectors
COPY infra infra
COPY operations operations
COPY producer_app producer_app
COPY schemas schemas
COPY stream_processors stream_processors
ARG SOURCE_DATE_EPOCH=0
RUN tools/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir wheels . \
    && tools/bin/pip --python /opt/outbox/bin/python install --quiet --no-compile --no-deps \
    --no-index wheels/*.whl
# Compiled here, since nothing can be written there; the same whenever it is built.
COPY infra/images/trim.sh ./
RUN sh trim.sh /opt/outbox "${SOURCE_DATE_EPOCH}"

FROM ${BASE}
# The official images bring pip, which nobody needs in a running container.
RUN rm -rf /usr/local/lib/python3.*/site-packages/* /usr/local/bin/pip*
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="billing-outbox" \
    org.opencontainers.image.description="A transactional outbox that bills: its processes and its command line" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
COPY --from=build /image/ /
ENV PATH=/opt/outbox/bin:$PATH \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    OUTBOX_HOME=/var/lib/outbox \
    OUTBOX_STATE_DIRECTORY=/var/lib/outbox/state \
    OUTBOX_CONNECTOR_SECRETS_FILE=/var/lib/outbox/secrets/postgres.properties \
    OUTBOX_HEALTH_HOST=0.0.0.0 OUTBOX_HEALTH_PORT=8080 \
    OUTBOX_CONSOLE_PORT=8443
WORKDIR /var/lib/outbox
VOLUME /var/lib/outbox
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["/opt/outbox/bin/python", "-m", "infra.images.health"]
ENTRYPOINT ["/opt/outbox/bin/python", "-m", "infra.images"]
CMD ["outbox", "--help"]
