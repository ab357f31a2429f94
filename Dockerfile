# syntax=docker/dockerfile:1
# One image for every role. `docker compose build` makes it; docs/compose.md says how to run it.

FROM python:3.11.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/carecircle
WORKDIR /src
# What others made, in the versions that were tested: this layer stays while only our own code changes.
COPY constraints.txt pyproject.toml README.md ./
RUN python -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; print(*project['dependencies'], *project['optional-dependencies']['postgresql'], sep='\n')" > /tmp/requirements.txt \
    && /opt/carecircle/bin/pip install --constraint constraints.txt --requirement /tmp/requirements.txt
COPY . .
RUN /opt/carecircle/bin/pip install --no-deps .

FROM python:3.11.13-slim-bookworm
LABEL org.opencontainers.image.title="CareCircle"
# pg_dump and pg_restore, for `carecircle backup`; Debian's, of the same version as the server in docker-compose.yml.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends postgresql-client \
    && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 10001 carecircle \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin carecircle \
    && install --directory --owner=10001 --group=10001 --mode=0750 /data
COPY --from=build /opt/carecircle /opt/carecircle
# The root file system may be read-only: what is written goes to /data and /tmp.
ENV PATH="/opt/carecircle/bin:$PATH" PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp MPLCONFIGDIR=/tmp \
    CARECIRCLE_DATA_DIR=/data
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["python", "-m", "carecircle.healthy"]
ENTRYPOINT ["carecircle"]
CMD ["run"]
