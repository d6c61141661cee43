# One image for every role: a validator, a full node, the command line, the set-up of a local testnet.
# Plain Dockerfile syntax on purpose: it builds with BuildKit and with the older builder, and needs no frontend
# image. docs/operations-docker.md says how it is used.

# Any image with python3 (3.11 or later), its venv module, ca-certificates and glibc will do.
ARG BASE_IMAGE=python:3.12-slim-bookworm

# ---------------------------------------------------------------- builder: has pip and setuptools, is thrown away
FROM ${BASE_IMAGE} AS builder
WORKDIR /build
# So that a build's own leftovers can be told from others: the older builder keeps this stage as an image.
LABEL entente.stage=builder

# A company's own certificate authorities, if there are any in docker/ca; they do not reach the final image.
COPY docker/ca/ ca/
RUN cat /etc/ssl/certs/ca-certificates.crt > ca.pem \
 && find ca -name '*.crt' -exec sh -c 'cat "$1"; echo' _ {} \; >> ca.pem

# A package index of one's own: --build-arg PIP_INDEX_URL=https://...
ARG PIP_INDEX_URL
ENV PIP_CERT=/build/ca.pem \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore

# The node's environment has no pip of its own: nothing in the final image can install anything.
COPY docker/constraints.txt docker/check_index.py ./
RUN python3 check_index.py ca.pem \
 && python3 -m venv tools \
 && tools/bin/pip install --only-binary=:all: -c constraints.txt setuptools wheel \
 && python3 -m venv --without-pip /opt/entente

# Dependencies change seldom, sources often: two layers.
COPY pyproject.toml ./
RUN python3 -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' \
      > requirements.txt \
 && tools/bin/pip --python /opt/entente/bin/python3 install --only-binary=:all: -c constraints.txt -r requirements.txt

COPY . source
RUN tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir wheels ./source \
 && tools/bin/pip --python /opt/entente/bin/python3 install --no-deps --no-index wheels/*.whl \
 && install -D -m 0644 -t /opt/entente/libexec source/docker/healthcheck.py source/docker/setup_testnet.py

# ---------------------------------------------------------------- the image
FROM ${BASE_IMAGE} AS node
LABEL org.opencontainers.image.title="entente" \
      org.opencontainers.image.description="A permissioned ledger for brand alliances" \
      org.opencontainers.image.licenses="Apache-2.0"

# A number, so that an orchestrator can see that it is not root. An empty named volume takes the owner of the
# folder that it is mounted over; hence the folders under /testnet, which only the testnet's set-up uses.
RUN groupadd --gid 10001 entente \
 && useradd --uid 10001 --gid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin entente \
 && install -d -m 0700 -o entente -g entente /data /testnet \
      /testnet/aurora /testnet/basil /testnet/comet /testnet/dune

COPY --from=builder /opt/entente /opt/entente

ENV PATH=/opt/entente/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1

USER 10001:10001
WORKDIR /data
EXPOSE 8545 26545
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python3", "-I", "/opt/entente/libexec/healthcheck.py", "/data"]
ENTRYPOINT ["entente"]
CMD ["node", "start", "--home", "/data"]
