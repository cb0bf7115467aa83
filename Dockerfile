# An image with flowrun only: mount flows and hooks into /flows, the working directory.
ARG PYTHON=3.11.11-slim-bookworm

FROM python:${PYTHON} AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY flowrun flowrun
# For example EXTRAS=[openvino,faces]; pyproject.toml lists the extras.
ARG EXTRAS=
RUN python -m venv --without-pip /opt/flowrun
RUN python -m pip --python /opt/flowrun/bin/python install --no-cache-dir \
    --only-binary :all: --no-binary flowrun-kserve ".${EXTRAS}"

FROM python:${PYTHON}
COPY --from=build /opt/flowrun /opt/flowrun
ENV PATH=/opt/flowrun/bin:$PATH PYTHONDONTWRITEBYTECODE=1
RUN useradd --uid 10001 --create-home flowrun && install -d -o flowrun /flows
USER flowrun
WORKDIR /flows
# Stops the run like Ctrl-C: frames in flight are delivered, and the file is finalized.
STOPSIGNAL SIGTERM
ENTRYPOINT ["flowrun"]
CMD ["--help"]
