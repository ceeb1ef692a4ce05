# The broker of the same jars as Connect, for the tests alone: it takes the variables of the official
# image that infra/compose.yaml uses.
ARG CONNECT
FROM ${CONNECT}
COPY kafka.py /opt/outbox/kafka.py
USER root
RUN install --directory --owner 10001 /var/lib/kafka/data
USER 10001:10001
VOLUME /var/lib/kafka/data
HEALTHCHECK NONE
ENTRYPOINT ["python3", "/opt/outbox/kafka.py"]
