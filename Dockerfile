# Two stages: what is needed to install stays behind. Nothing but /data is written to at run time, so the container runs
# with a read-only root. Name the base by digest where builds must be repeatable: --build-arg PYTHON=python@sha256:...
ARG PYTHON=python:3.11-slim-bookworm

FROM ${PYTHON} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app
RUN python -m venv /venv
COPY requirements/runtime.txt requirements/runtime.txt
RUN /venv/bin/pip install --require-hashes --only-binary :all: --requirement requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY core core
COPY channels channels
COPY hub hub
COPY templates templates
COPY config config
# The project finds its templates and configuration beside its code, so the venv points at /app.
RUN /venv/bin/pip install --no-deps --no-build-isolation --no-index --editable . \
    && /venv/bin/python -m compileall -q core channels hub

FROM ${PYTHON}
RUN install -d -o 65532 -g 65532 -m 0700 /data
COPY --from=build /venv /venv
COPY --from=build /app /app
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/data \
    FRONTDESK_HOST=0.0.0.0 \
    FRONTDESK_PORT=8080 \
    FRONTDESK_DATA=/data
WORKDIR /app
USER 65532:65532
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/readyz', timeout=2)"]
ENTRYPOINT ["frontdesk"]
CMD ["serve"]
